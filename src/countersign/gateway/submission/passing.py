"""What passes between a front of submission and the desk."""

from __future__ import annotations

from dataclasses import dataclass

from countersign.rules.sign_in_lapse import SignInStart
from countersign.rules.submission import Account, Limits
from countersign.storage.submission.entries import Front


@dataclass(frozen=True, slots=True)
class Sender:
    """A user in one transaction."""

    account: Account
    limits: Limits
    used: int
    """Recipients of the last 24 hours, as the transaction began."""
    start: SignInStart | None
    """Of the sign-in; None: the MTA's own, which ends as that says."""
    opened: float
    """Seconds of a clock that nobody sets."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message that is here as a whole, and nowhere else yet."""

    sender: Sender
    client_address: str
    recipients: int
    size: int
    header: bytes
    """The header section as submitted: whole lines, without the empty line."""
    body_hash: bytes
    """SHA-256 of the body in relaxed form (RFC 6376 §3.4.4)."""
    front: Front


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that may be handed to the MTA."""

    id: str
    """Of the tracking stamp."""
    reservation: str
    kept: tuple[bytes, ...]
    """The header fields of the user that stay."""
    added: tuple[bytes, ...]
    """Fields to put before them, the topmost first; each with its CRLF."""
