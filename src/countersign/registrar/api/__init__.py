"""The REST API: what owners' programs and gateways use (OpenAPI 3.1; DESIGN §6)."""
