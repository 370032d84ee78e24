"""Work on message content: trace fields, Authentication-Results."""
