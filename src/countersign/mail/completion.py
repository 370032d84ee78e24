"""What a submitted message must have, and is given if it lacks it (RFC 5322 §3.6, RFC 6409 §8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime


class NoAuthorError(ValueError):
    """The message has no From field: nobody can add it but who wrote it."""


def missing_fields(
    fields: Sequence[bytes], *, hostname: str, identifier: str, at: datetime
) -> tuple[bytes, ...]:
    """Return the fields Date and Message-ID as far as they are missing, each with its CRLF.

    ``fields``: those of the message; ``identifier``: the left side of a Message-ID, unique on this
    host; ``at``: with a time zone. Raises :class:`NoAuthorError`.
    """
    names = {field.partition(b":")[0].strip().lower() for field in fields}
    if b"from" not in names:
        raise NoAuthorError("The message has no From field")
    added = []
    if b"date" not in names:
        added.append(f"Date: {format_datetime(at)}\r\n".encode("ascii"))
    if b"message-id" not in names:
        added.append(f"Message-ID: <{identifier}@{hostname}>\r\n".encode("ascii"))
    return tuple(added)
