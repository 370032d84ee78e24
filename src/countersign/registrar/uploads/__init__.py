"""Uploaded scans: recognised by their content, cleaned, bounded (DESIGN §6)."""
