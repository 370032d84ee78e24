"""The rules of submission: how many recipients a user may send to (DESIGN §5). Pure.

Recipients are counted, not messages: one for each RCPT command that was accepted.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

DAY = 86400.0
"""Seconds of the window that slides."""

MAX_USER = 255
"""Characters of a user's name."""


def normalise_user(name: str) -> str:
    """Return the one form of a user's name under which everything is counted.

    Lower case, NFC. Raises :class:`ValueError` for what can be no name.
    """
    user = unicodedata.normalize("NFC", name.strip()).lower()
    if not 0 < len(user) <= MAX_USER:
        raise ValueError(f"a user's name has 1 to {MAX_USER} characters")
    if not user.isprintable() or " " in user:
        raise ValueError("a user's name has no spaces and no control characters")
    return user


@dataclass(frozen=True, slots=True)
class Limits:
    """What one user may do. None: as many as he likes."""

    per_message: int | None = 50
    per_day: int | None = 300


@dataclass(frozen=True, slots=True)
class Account:
    """What the rules know of a user. A user of whom nothing is stored has the defaults."""

    name: str
    is_privileged: bool = False
    """Granted by the administrator, registered with the registrar, contract accepted."""
    per_message: int | None = None
    """The user's own limit; None: the default."""
    per_day: int | None = None
    stamps_name: bool | None = None
    """Whether the name is on the tracking stamp; None: as the configuration says."""
    is_disabled: bool = False
    """May not sign in, and so may not send."""
    ended_by: int = 0
    """Number of the last entry in the record of users that ended this user's sign-ins."""


def limits_of(account: Account, defaults: Limits) -> Limits:
    """Return the limits of a user: his own before the defaults; a privileged user has only his."""
    if account.is_privileged:
        return Limits(account.per_message, account.per_day)
    return Limits(
        defaults.per_message if account.per_message is None else account.per_message,
        defaults.per_day if account.per_day is None else account.per_day,
    )


def fits_message(limits: Limits, recipients: int) -> bool:
    """Tell whether one message may have so many recipients."""
    return limits.per_message is None or recipients <= limits.per_message


def fits_day(limit: int | None, used: int, recipients: int) -> bool:
    """Tell whether more recipients are within a day's limit. used: those of the last 24 hours."""
    return limit is None or used + recipients <= limit


def is_name_stamped(account: Account, *, by_default: bool) -> bool:
    """Tell whether a user's name goes on the tracking stamp: never that of a privileged one."""
    if account.is_privileged:
        return False
    return by_default if account.stamps_name is None else account.stamps_name
