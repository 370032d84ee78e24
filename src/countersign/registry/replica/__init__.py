"""Keeps this host's copy of the zone up to date."""
