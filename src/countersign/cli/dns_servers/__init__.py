"""The configurations of DNS servers that `countersign setup` prints."""
