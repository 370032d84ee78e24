"""What transactions ordered, done after them by workers (DESIGN §6)."""
