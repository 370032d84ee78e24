"""The public zone, made from the database: its image, its versions, copies of it (DESIGN §7)."""
