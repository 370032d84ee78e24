"""What is stored of users: rows of users.db (DESIGN §5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class ScramValues:
    """What SCRAM-SHA-256 checks a password by (RFC 5802 §3)."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a user's password is checked by."""

    argon2_hash: str
    """In PHC form."""
    scram: ScramValues | None
    """None: the password came as a hash, and serves for PLAIN and LOGIN only."""
    is_disabled: bool = False
    """The user cannot sign in, whatever the password."""


class Registration(StrEnum):
    """How far the registrar knows of a privilege."""

    WAITS = "waits"
    REGISTERED = "registered"


@dataclass(frozen=True, slots=True)
class Privilege:
    """The privilege of sending to more recipients, granted by the administrator."""

    identifier: str
    """By which the registrar knows the user: random, and nothing that names him."""
    accepted_on: str
    """Day on which the user accepted the agreement, as 2026-03-31."""
    agreement_version: str
    registration: Registration = Registration.WAITS
    number: int | None = None
    """The registrar's; None while it waits."""
    paper_sha256: str = ""
    """SHA-256 of the signed paper, hexadecimal; empty: it was not shown."""


@dataclass(frozen=True, slots=True)
class User:
    """All that is stored of a user, the password aside."""

    name: str
    has_password: bool
    is_disabled: bool
    is_administrator: bool
    """May see the administrator's page."""
    per_message: int | None
    per_day: int | None
    stamps_name: bool | None
    privilege: Privilege | None
    added_at: float


class UserError(Exception):
    """A change cannot be made: there is no such user, or one already."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to add, as `Accounts.add` and an import want it."""

    name: str
    credentials: Credentials | None = None
    per_message: int | None = None
    per_day: int | None = None
    stamps_name: bool | None = None
    is_administrator: bool = False
    is_disabled: bool = False
    """May not sign in nor send, wherever the password is kept."""
    privilege: Privilege | None = None
    """From another host of a farm, whose registration it stays."""


class EventKind(StrEnum):
    """What was decided about a user, or happened to one. The values are stored."""

    ADDED = "added"
    IMPORTED = "imported"
    REMOVED = "removed"
    PASSWORD = "password"  # noqa: S105 - the name of an event
    LIMITS = "limits"
    STAMPING = "stamping"
    DISABLED = "disabled"
    ENABLED = "enabled"
    ADMINISTRATOR = "administrator"
    LOCKED = "locked"
    """By the administrator."""
    UNLOCKED = "unlocked"
    PRIVILEGED = "privileged"
    """Granted, with the agreement that was accepted."""
    REVOKED = "revoked"
    """The privilege ended by the administrator."""
    REGISTERED = "registered"
    """The registrar knows of the privilege."""
    REFUSED = "refused"
    """The registrar refused what it was told or asked, for good."""
    AGREEMENT = "agreement"
    """A signed user agreement was recorded."""
    OFFENDER_ASKED = "offender-asked"
    """The question waits for the registrar."""
    OFFENDER_ANSWERED = "offender-answered"
    OFFENDER_ACCEPTED = "offender-accepted"
    """The owner has taken a user all the same."""
    OFFENDER_REJECTED = "offender-rejected"
    """The owner has not taken a user."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Who decides something, when, and why."""

    by: str
    at: float
    """Seconds since the epoch."""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the record of users. It is never changed."""

    id: int
    user: str
    kind: EventKind
    at: float
    by: str
    words: str
    details: dict[str, Any] = field(default_factory=dict)


class OrderKind(StrEnum):
    """What the registrar is to be told or asked. The values are stored."""

    REGISTER = "register-user"
    REVOKE = "revoke-user"
    OFFENDER = "offender-query"


@dataclass(frozen=True, slots=True, repr=False)
class Order:
    """Something that waits for the registrar. The payload may be personal: not in logs."""

    id: int
    key: str
    """By which the registrar knows a request that comes again (Idempotency-Key)."""
    kind: OrderKind
    user: str
    payload: dict[str, Any]
    attempts: int
    queued_at: float
    next_try: float
    words: str
    """Why it could not be done the last time."""
