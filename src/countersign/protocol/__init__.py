"""Sans-I/O state machines and syntax: bytes in, events out. No sockets, clocks or randomness."""
