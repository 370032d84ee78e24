"""Secrets that are mailed: made when the letter is written, never stored.

The database has a token's digest, the order for the letter its nonce. Only who has the keyring
can make the token of a nonce: so neither a reader of the database nor one of its back-ups can
use a link that is on its way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from countersign.registrar.vault.keyring import Keyring

_KEY = "one-time tokens"


def make_nonce() -> str:
    """Return a nonce for a new token."""
    return secrets.token_urlsafe(16)


def make_token(keyring: Keyring, purpose: str, nonce: str) -> str:
    """Return the token of a nonce: 43 characters of the base64url alphabet."""
    text = f"{purpose}|{nonce}".encode()
    digest = hmac.digest(keyring.signing_key(_KEY), text, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def token_digest(token: str) -> str:
    """Return what the database knows a token by: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
