"""What protects a website: each request passes through these layers."""
