"""A copy of the zone on this host: memory-mapped, read by any number of processes."""
