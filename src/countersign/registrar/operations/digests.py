"""Keyed digests: equal values can be told, nothing be read."""

from __future__ import annotations

import hashlib
import hmac

from countersign.registrar.operations.office import Work


def keyed_digest(work: Work, purpose: str, *parts: str) -> str:
    """Return HMAC-SHA256 over some text under a key for one purpose, 64 hexadecimal digits."""
    digest = hmac.new(work.keyring.signing_key(purpose), digestmod=hashlib.sha256)
    for part in parts:
        octets = part.encode()
        # With their lengths, so that no two lists of parts run together to the same octets.
        digest.update(len(octets).to_bytes(4, "big") + octets)
    return digest.hexdigest()
