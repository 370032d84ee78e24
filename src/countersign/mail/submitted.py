"""The header section of a submitted message: what it must have, and what is added (RFC 6409 §8)."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from email.utils import format_datetime

from countersign.mail.trace import split_fields

MAX_FIELDS = 2000
"""Header fields of one message."""
TOO_MANY_FIELDS = "The header section has too many fields"
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")


class HeaderFaultError(ValueError):
    """The header section is not one; the text is fit for a reply."""


def complete_header(header: bytes, *, hostname: str, unique: str, at: datetime) -> bytes:
    """Return a header section with a Date and a Message-ID, which are added if it has none.

    ``header``: whole lines ending in CRLF, without the empty line. ``unique``: what makes the
    Message-ID one of its own. ``at``: with a time zone. Raises :class:`HeaderFaultError` for a
    line that is no field, which an MTA would take for the body's beginning, and for a message
    that is from nobody, or from several. Spaces before a colon, which RFC 5322 (§4.5) has for
    obsolete, are left out: not everybody who verifies the signatures can read them.
    """
    header, names = _tidied(header)
    if names[b"from"] != 1:
        raise HeaderFaultError("A message has one From field")
    added = b""
    if not names[b"date"]:
        added += f"Date: {format_datetime(at)}\r\n".encode("ascii")
    if not names[b"message-id"]:
        added += f"Message-ID: <{unique}@{hostname}>\r\n".encode("ascii")
    return header + added


def has_space_before_colon(field: bytes) -> bool:
    """Tell whether there is a space between a field's name and its colon."""
    match = _NAME.match(field)
    return match is not None and match.end(1) + 1 < match.end()


def _tidied(header: bytes) -> tuple[bytes, Counter[bytes]]:
    fields = split_fields(header)
    if len(fields) > MAX_FIELDS:
        raise HeaderFaultError(TOO_MANY_FIELDS)
    names: Counter[bytes] = Counter()
    tidied = []
    for field in fields:
        match = _NAME.match(field)
        if match is None:
            raise HeaderFaultError("A line of the header section is no header field")
        names[match[1].lower()] += 1
        tidied.append(match[1] + b":" + field[match.end() :])
    return b"".join(tidied), names
