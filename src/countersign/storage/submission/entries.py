"""An entry of the journal: what a tracking stamp leads back to (DESIGN §5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Front(StrEnum):
    """How a message came in."""

    LISTENER = "listener"
    MILTER = "milter"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message that was passed on. Neither its recipients nor its text are kept."""

    id: str
    """The tracking stamp's: 26 characters of base 32."""
    at: float
    """Seconds since the epoch."""
    user: str
    recipients: int
    client_address: str
    size: int
    """Octets."""
    body_hash: bytes
    """SHA-256 of the body in relaxed form, as in its DKIM signatures (RFC 6376 §3.4.4)."""
    front: Front


@dataclass(frozen=True, slots=True)
class Found:
    """What the journal says of a tracking ID."""

    entry: Entry
    refused_at: float | None
    """Set if the MTA refused the message after it was written down: it never left."""
