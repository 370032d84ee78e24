"""The registrar: certifies servers, keeps their bonds, publishes who may send (DESIGN §6)."""
