"""Every change to the registrar's data, each in one database transaction (DESIGN §6)."""
