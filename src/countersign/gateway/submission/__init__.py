"""Submission: the gateway's own listener, and what the milter asks too (DESIGN §5)."""
