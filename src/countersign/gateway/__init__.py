"""The server beside an operator's MTA: wires the inner rooms to sockets."""
