"""The milter protocol, version 6, without I/O."""
