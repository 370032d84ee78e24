"""Measurements of the replicated registry, as ratios in one run: `make bench-registry`."""
