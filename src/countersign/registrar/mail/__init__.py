"""The registrar's own mail: its texts, and how it leaves (DESIGN §6)."""
