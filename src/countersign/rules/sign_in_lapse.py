"""How long a sign-in holds on a connection that stays open (DESIGN §5). Pure.

Whoever has stolen a password is to be out once there is a new one, and not when he chooses to
leave: so a sign-in ends with what is decided about the user, with each unlock, and by itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignInStart:
    """The moment an AUTH command came, before anything was looked up for it.

    What was decided later ends the sign-in, also if that was while the password was checked.
    """

    at: float
    """Seconds since the epoch."""
    uptime: float
    """Seconds of a clock that nobody sets."""
    record: int
    """Number of the newest entry in the record of users."""


@dataclass(frozen=True, slots=True)
class SignInEnds:
    """What ends sign-ins of one user, as it stands."""

    record: int
    """Number of the last entry about him that ended his sign-ins; 0: there is none."""
    unlocked_at: float
    """When his account was last unlocked, in seconds since the epoch; 0: not lately."""


def holds(
    start: SignInStart, ends: SignInEnds, *, now: float, uptime: float, lapse_seconds: float
) -> bool:
    """Tell whether who signed in may begin a message, or has to sign in again."""
    if ends.record > start.record:
        return False
    # One in the future says that a clock was wrong: it must not end what is begun until then.
    if start.at <= ends.unlocked_at <= now:
        return False
    return uptime - start.uptime <= lapse_seconds
