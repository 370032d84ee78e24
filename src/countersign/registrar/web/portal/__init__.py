"""Pages of those who have an account: signing in, and one's own account."""
