"""The users' and the administrator's web pages of a gateway (DESIGN §5)."""
