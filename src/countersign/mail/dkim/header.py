"""Which header fields are signed, and their relaxed form (RFC 6376 §3.4.2, §5.4)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

OVER_SIGNED = (
    "from",
    "message-tracking",
    "sender",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "to",
    "cc",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
"""Named once more than they are there, so that none can be added (RFC 6376 §8.15)."""
SIGNED = (
    "content-disposition",
    "content-id",
    "content-description",
    "resent-date",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "resent-message-id",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "autocrypt",
    "auto-submitted",
)
"""Signed as often as they are there; a mailing list may add its own."""

_SPACE = re.compile(rb"[ \t]+")


def relaxed_field(field: bytes) -> bytes:
    """Return a header field in relaxed form, with CRLF (RFC 6376 §3.4.2)."""
    name, _, value = field.partition(b":")
    unfolded = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return field_name(name) + b":" + _SPACE.sub(b" ", unfolded).strip(b" ") + b"\r\n"


def field_name(name: bytes) -> bytes:
    """Return the name of a field as it is compared: in lower case, without space around it."""
    return name.strip(b" \t\r\n").lower()


def choose(fields: Sequence[bytes]) -> tuple[list[str], list[bytes]]:
    """Return the names for h= in their order, and the fields that they stand for.

    Of several fields of one name the lowest is taken first (RFC 6376 §5.4.2).
    """
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for field in fields:
        name, colon, _ = field.partition(b":")
        if colon:
            found[field_name(name)].append(field)
    names = list(_names({name: len(those) for name, those in found.items()}))
    chosen = [those.pop() for name in names if (those := found[name.encode("ascii")])]
    return names, chosen


def _names(counts: dict[bytes, int]) -> Iterator[str]:
    for name in OVER_SIGNED:
        for _ in range(counts.get(name.encode("ascii"), 0) + 1):
            yield name
    for name in SIGNED:
        for _ in range(counts.get(name.encode("ascii"), 0)):
            yield name
