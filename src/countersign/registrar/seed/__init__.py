"""Believable data for demonstrations and benchmarks: `countersign registrar seed`."""
