"""Keys, and what is sealed with them (DESIGN §6). No database."""
