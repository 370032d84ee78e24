"""A probe: runs certification tests from another network range (DESIGN §8)."""
