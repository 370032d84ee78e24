"""Signatures of mail by its server: DKIM (RFC 6376, RFC 8463). Pure."""
