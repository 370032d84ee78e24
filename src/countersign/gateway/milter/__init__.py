"""The milter: the rules of submission for an MTA that keeps its own listener (DESIGN §5)."""
