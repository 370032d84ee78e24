"""The zone as values: owner names, records, content, digests, changes. Pure: no I/O."""
