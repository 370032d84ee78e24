"""make bench-certification: the battery, as ratios in one run."""
