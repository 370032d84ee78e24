"""The website: pages rendered on the server, for the public, owners, agents and staff."""
