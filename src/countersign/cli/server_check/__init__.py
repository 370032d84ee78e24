"""The parts of `countersign check server`: which tests, how they are run, how they are shown."""
