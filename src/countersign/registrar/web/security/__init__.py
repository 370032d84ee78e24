"""What protects the website: each request passes through these layers."""
