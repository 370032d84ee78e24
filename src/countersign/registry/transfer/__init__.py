"""Zone transfer as values: messages and streams of them, signed. No sockets (RFC 5936, 1995)."""
