"""Public keys that sign mail: DKIM key records (RFC 6376 §3.6.1, RFC 8301, RFC 8463). Pure."""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

MAX_RECORD = 4000
"""Characters of a record as it is typed."""
MAX_SELECTOR = 63
SMALLEST_RSA, LARGEST_RSA = 2048, 4096
"""Bits. Signers must use 1,024 and should use 2,048 (RFC 8301 §3.2): less is not taken."""
_ED25519_SIZE = 32

_TAG = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=(.*)\Z", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]+")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")
# As it is copied out of a zone file: strings in quotes, perhaps several.
_QUOTES = re.compile(r'"[ \t\r\n]*"|^[ \t\r\n(]*"|"[ \t\r\n)]*$')


def normalise_selector(text: str) -> str:
    """Return a selector in lower case (RFC 6376 §3.1). Raises :class:`ValueError`."""
    selector = text.strip().lower().removesuffix("._domainkey")
    if not 0 < len(selector) <= MAX_SELECTOR:
        raise ValueError(f"a selector has 1 to {MAX_SELECTOR} characters")
    if not all(_LABEL.match(label) for label in selector.split(".")):
        raise ValueError("a selector is letters, digits and hyphens, perhaps with dots between")
    return selector


def normalise_key_record(text: str) -> str:
    """Return a key record in one form, ``v=DKIM1; k=rsa; p=…``.

    Takes a record as it stands in the DNS or in a zone file. Raises :class:`ValueError` that
    says what is wrong with it.
    """
    if len(text) > MAX_RECORD:
        raise ValueError("this is too long for a key record")
    tags = _read_tags(_QUOTES.sub("", text.strip()))
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        raise ValueError("a key record begins with v=DKIM1")
    if "sha256" not in _words(tags.get("h", "sha256")):
        raise ValueError("the record does not allow SHA-256 (h=), and nothing else is safe")
    if not {"*", "email"} & _words(tags.get("s", "*")):
        raise ValueError("the record's key is not for e-mail (s=)")
    if "y" in _words(tags.get("t", "")):
        raise ValueError("the record says that it is for tests only (t=y): a key must prove")
    kind = tags.get("k", "rsa")
    key = _read_base64(tags.get("p", ""))
    if kind == "rsa":
        _check_rsa(key)
    elif kind == "ed25519":
        _check_ed25519(key)
    else:
        raise ValueError("the kind of key (k=) is rsa or ed25519")
    return f"v=DKIM1; k={kind}; p={base64.b64encode(key).decode('ascii')}"


def _read_tags(text: str) -> dict[str, str]:
    """Read a list of tags (RFC 6376 §3.2)."""
    tags: dict[str, str] = {}
    for part in text.rstrip().removesuffix(";").split(";"):
        match = _TAG.match(part)
        if match is None:
            raise ValueError("a key record is written as v=DKIM1; k=rsa; p=…")
        if match[1] in tags:
            raise ValueError(f"{match[1]}= is there twice")
        tags[match[1]] = match[2].strip()
    return tags


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(":")}


def _read_base64(text: str) -> bytes:
    if not text:
        raise ValueError("the record has no key (p=): an empty one says that it was revoked")
    try:
        return base64.b64decode(_SPACE.sub("", text), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("the key (p=) is not in base64") from None


def _check_rsa(octets: bytes) -> None:
    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the key (p=) is no RSA public key") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the key (p=) is of another kind than k= says")
    if not SMALLEST_RSA <= key.key_size <= LARGEST_RSA:
        raise ValueError(
            f"an RSA key has {SMALLEST_RSA} to {LARGEST_RSA} bits, this one {key.key_size}"
        )


def _check_ed25519(octets: bytes) -> None:
    if len(octets) != _ED25519_SIZE:
        raise ValueError(f"an Ed25519 key is {_ED25519_SIZE} octets, without any wrapping")
    try:
        Ed25519PublicKey.from_public_bytes(octets)
    except ValueError:
        raise ValueError("the key (p=) is no Ed25519 public key") from None
