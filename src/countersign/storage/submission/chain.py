"""The rows of the journal and the chain through them. Pure.

Each row's chain value is SHA-256 over the one before and all that the row says, each part with
its length before it, so that no two rows read the same.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import struct
from dataclasses import dataclass
from enum import IntEnum

from countersign.storage.submission.entries import Entry, Front

BEGINNING = bytes(32)
"""The chain value before the first row of all."""

_FRONTS = (Front.LISTENER, Front.MILTER)


class Kind(IntEnum):
    """What a row of the journal says."""

    MESSAGE = 0
    REFUSED = 1
    """The MTA refused the message after it was written down."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is stored. A REFUSED one has only an ID and a time."""

    kind: int
    id: bytes
    at: float
    user: str = ""
    recipients: int = 0
    client: bytes = b""
    size: int = 0
    body_hash: bytes = b""
    front: int = 0


def chain_value(before: bytes, number: int, row: Row) -> bytes:
    """Return the chain value of a row. before: that of the row before it."""
    digest = hashlib.sha256(before)
    digest.update(
        struct.pack(">QQdQQQ", number, row.kind, row.at, row.recipients, row.size, row.front)
    )
    for part in (row.id, row.user.encode(), row.client, row.body_hash):
        digest.update(struct.pack(">I", len(part)))
        digest.update(part)
    return digest.digest()


def message_row(entry: Entry) -> Row:
    """Return the row of a message. Raises :class:`ValueError` if its ID is none."""
    return Row(
        kind=Kind.MESSAGE,
        id=pack_id(entry.id),
        at=entry.at,
        user=entry.user,
        recipients=entry.recipients,
        client=_pack_address(entry.client_address),
        size=entry.size,
        body_hash=entry.body_hash,
        front=_FRONTS.index(entry.front),
    )


def refused_row(tracking_id: str, at: float) -> Row:
    """Return the row that notes a refusal. Raises :class:`ValueError` if the ID is none."""
    return Row(kind=Kind.REFUSED, id=pack_id(tracking_id), at=at)


def entry_of(row: Row) -> Entry:
    """Return the message of a row."""
    return Entry(
        id=unpack_id(row.id),
        at=row.at,
        user=row.user,
        recipients=row.recipients,
        client_address=_unpack_address(row.client),
        size=row.size,
        body_hash=row.body_hash,
        front=_FRONTS[row.front],
    )


def pack_id(tracking_id: str) -> bytes:
    """Return the 16 octets of a tracking ID: 26 characters of base 32, in any case."""
    try:
        octets = base64.b32decode(tracking_id.upper() + "======")
    except (ValueError, UnicodeError) as error:
        raise ValueError("a tracking ID has 26 characters of base 32") from error
    if len(octets) != 16 or unpack_id(octets) != tracking_id.lower():
        raise ValueError("a tracking ID has 26 characters of base 32")
    return octets


def unpack_id(octets: bytes) -> str:
    """Return the characters of a tracking ID."""
    return base64.b32encode(octets).decode().rstrip("=").lower()


def _pack_address(text: str) -> bytes:
    with contextlib.suppress(ValueError):
        packed = ipaddress.ip_address(text).packed
        if _unpack_address(packed) == text:
            return packed
    # A socket of this host, or an address with a zone: as it is, and never 4 or 16 octets.
    return b"\0" * 17 + text.encode()[:255]


def _unpack_address(octets: bytes) -> str:
    if len(octets) in {4, 16}:
        return str(ipaddress.ip_address(octets))
    return octets[17:].decode(errors="replace")
