"""What submission remembers: users, counts and locks, and the journal of messages (DESIGN §5)."""
