"""Signatures between registrar and probes: Ed25519 (RFC 8032) over a purpose and octets. Pure.

A purpose is signed along, so that nothing signed for one can be shown for another.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PREFIX = b"countersign probe 1\0"


class Purpose(StrEnum):
    """What a signature is for."""

    REQUEST = "request"
    """A probe's request: method, path, time and digest of the body."""
    ORDER = "order"
    """The registrar's order."""


class SignatureError(ValueError):
    """A signature that is not that of the key over these octets."""


def sign(key: Ed25519PrivateKey, purpose: Purpose, octets: bytes) -> str:
    """Return the signature in base 64."""
    return base64.b64encode(key.sign(_message(purpose, octets))).decode("ascii")


def verify(key: Ed25519PublicKey, purpose: Purpose, octets: bytes, signature: str) -> None:
    """Raise :class:`SignatureError` unless the signature is good."""
    try:
        key.verify(base64.b64decode(signature, validate=True), _message(purpose, octets))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise SignatureError("the signature is not good") from error


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key as text: 32 octets in base 64."""
    return base64.b64encode(key.public_bytes_raw()).decode("ascii")


def read_public(text: str) -> Ed25519PublicKey:
    """Return the key that :func:`public_text` wrote. Raises :class:`ValueError`."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ValueError("a public key is 32 octets in base 64") from error


def request_octets(method: str, path: str, at: str, body_digest: str) -> bytes:
    """Return what a probe signs of a request.

    at: RFC 3339 time; body_digest: SHA-256 of the body, hexadecimal.
    """
    return "\n".join((method.upper(), path, at, body_digest)).encode()


def _message(purpose: Purpose, octets: bytes) -> bytes:
    return _PREFIX + purpose.encode("ascii") + b"\0" + octets
