"""Proof that somebody controls a host: a token in its DNS, or in its EHLO inside TLS.

docs/PROTOCOL.md §5.4. Pure: the caller supplies random octets.
"""

from __future__ import annotations

import re

KEYWORD = "XCONTROL"
"""EHLO keyword, with the token as its parameter; inside TLS only."""
TOKEN_LENGTH = 32
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
"""Base 32 (RFC 4648 §6), in lower case."""
RANDOM_OCTETS = 20
"""That :func:`make_control_token` wants."""
TOKEN_PATTERN = rf"[{ALPHABET}]{{{TOKEN_LENGTH}}}"
TXT_PREFIX = "countersign-control="

_TOKEN = re.compile(TOKEN_PATTERN)


def make_control_token(random_octets: bytes) -> str:
    """Return a new token. random_octets: `RANDOM_OCTETS` of a CSPRNG, used once.

    Raises :class:`ValueError` for another number.
    """
    if len(random_octets) != RANDOM_OCTETS:
        raise ValueError(f"{RANDOM_OCTETS} random octets are needed")
    number = int.from_bytes(random_octets, "big")
    return "".join(ALPHABET[number >> (5 * place) & 31] for place in range(TOKEN_LENGTH))


def is_control_token(text: str) -> bool:
    """Tell whether a text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def control_name(hostname: str) -> str:
    """Return the name in the DNS that has the proof of a host."""
    return f"_countersign.{hostname}"


def control_text(token: str) -> str:
    """Return what stands in the TXT record."""
    return TXT_PREFIX + token


def zone_line(hostname: str, token: str) -> str:
    """Return the TXT record as a line of a zone file (RFC 1035 §5.1)."""
    return f'{control_name(hostname)}. 300 IN TXT "{control_text(token)}"'


def hello_line(token: str) -> str:
    """Return the line of the reply to EHLO, without its code."""
    return f"{KEYWORD} {token}"
