"""A whole world on loopback addresses."""
