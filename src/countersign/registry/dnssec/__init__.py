"""Validation of the answers of one zone from a trust anchor (RFC 4035 §5, RFC 5155 §8).

No sockets in here: whoever validates gives the function that asks.
"""
