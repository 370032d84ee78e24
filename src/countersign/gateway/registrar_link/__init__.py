"""What the gateway asks of the registrar and tells it, by its API (DESIGN §5, §6)."""
