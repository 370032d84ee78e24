"""What submission counts and remembers for all processes: recipients, locks, sign-ins.

Two implementations: :mod:`countersign.storage.submission.local` (one host, SQLite) and
:mod:`countersign.storage.submission.valkey` (a farm). Times are seconds since the epoch, as floats,
given by the caller. Whatever was counted survives the end of the process, however it comes.
Every method may raise :class:`~countersign.storage.tables.TablesUnavailableError`: the caller
must answer 'could not tell' (4yz) and pass nothing on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class LockReason(StrEnum):
    """Why an account may not send."""

    DAILY_LIMIT = "daily-limit"
    """It was about to send to more recipients in 24 hours than it may (DESIGN §5)."""
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Lock:
    """An account that may not send. Its owner can still sign in, and see why."""

    user: str
    reason: LockReason
    since: float
    used: int = 0
    """Recipients of the 24 hours before."""
    wanted: int = 0
    """Recipients of the message that was refused."""
    limit: int = 0
    words: str = ""
    """What the administrator said of it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A message whose recipients are counted."""

    reservation: str
    """To take it back, if the message is refused after all."""
    used: int
    """Recipients of the last 24 hours, these included."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a user stands as a transaction begins."""

    lock: Lock | None
    used: int
    """Recipients of the last 24 hours."""
    unlocked_at: float = 0.0
    """When the account was last unlocked; 0: not in the last two days."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a user has sent in the window."""

    user: str
    recipients: int
    messages: int


@dataclass(frozen=True, slots=True)
class SignInFailure:
    """A sign-in that failed."""

    at: float
    user: str
    """The name that was given, whether there is such a user or not; at most 255 characters."""
    network: str
    """Key form of the client's address: an IPv4 address or an IPv6 /64 prefix."""
    reason: str
    """'password', 'limited', 'in-clear' …: from code only."""


UNCOUNTED_REASONS = ("limited", "in-clear")
"""Reasons of sign-ins that were refused without a look at a password. They are kept to be seen
and are not among :class:`Failures`: they guess nothing, and would keep who waits waiting."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How many sign-ins failed in a window, those with `UNCOUNTED_REASONS` left out."""

    of_network: int
    """From this network, for whatever account."""
    of_account: int
    """Of this account, from whatever network."""
    of_account_there: int
    """Of this account from this network."""
    is_known: bool
    """The account has signed in from this network before."""


class SubmissionTables(Protocol):
    """What is counted. ``user`` is always the user's name as the source of passwords gives it."""

    async def reserve(
        self, user: str, recipients: int, limit: int | None, now: float
    ) -> Counted | Lock:
        """Count a message's recipients, or lock the account: one atomic step.

        The account's lock, if it has one, is returned and nothing is counted. If the recipients
        would go beyond ``limit`` in the 24 hours before ``now``, the account is locked by
        this step and the new lock returned. Recipients older than 24 hours are forgotten.
        """

    async def release(self, reservation: str) -> None:
        """Take a message back that was refused after it had been counted; no error if unknown."""

    async def standing(self, user: str, now: float) -> Standing:
        """Return the lock, the recipients and the last unlock of a user: one look."""

    async def used(self, user: str, now: float) -> int:
        """Return the recipients of the 24 hours before ``now``."""

    async def hours(self, user: str, now: float) -> tuple[int, ...]:
        """Return the recipients of each of the 24 hours before ``now``, the oldest first."""

    async def top(self, now: float, limit: int = 20) -> list[Usage]:
        """Return the users with the most recipients in the 24 hours before ``now``."""

    async def lock(self, lock: Lock) -> bool:
        """Lock an account; False if it is locked already."""

    async def unlock(self, user: str, *, forget: bool, now: float) -> bool:
        """Unlock an account; False if it was not locked. forget: its count starts anew.

        When it was unlocked is kept for two days: who signed in before has to sign in again.
        """

    async def lock_of(self, user: str) -> Lock | None:
        """Return the lock of an account."""

    async def locks(self) -> list[Lock]:
        """Return all locks, the newest first."""

    async def untold(self) -> list[Lock]:
        """Return the locks by the daily limit that the administrator was not told of, oldest first.

        A lock that was lifted before it was told is among them until :meth:`told`.
        """

    async def told(self, lock: Lock) -> None:
        """Note that the administrator was told of a lock."""

    async def failed(self, failure: SignInFailure) -> None:
        """Note a sign-in that failed."""

    async def failures(self, user: str, network: str, since: float) -> Failures:
        """Return how many sign-ins failed after ``since``."""

    async def recent_failures(self, limit: int = 100) -> list[SignInFailure]:
        """Return the newest failures, newest first."""

    async def pardon(self, user: str) -> int:
        """Count an account's failures no more; return how many. They are still to be seen."""

    async def signed_in(self, user: str, network: str, now: float) -> None:
        """Note a sign-in that succeeded: the network is known for 90 days."""

    async def sweep(self, now: float) -> int:
        """Delete what has passed; return how many rows."""

    async def aclose(self) -> None:
        """Release the store."""
