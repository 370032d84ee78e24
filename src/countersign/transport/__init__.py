"""Sockets that every server shares: streams, client conversations, names to addresses."""
