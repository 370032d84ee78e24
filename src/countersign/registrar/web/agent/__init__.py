"""The agent's portal: applicants, and applications begun for owners."""
