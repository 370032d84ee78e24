"""The fields of an application, and what is wrong with them (DESIGN §6). No database."""
