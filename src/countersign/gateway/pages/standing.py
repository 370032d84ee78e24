"""How a user stands: what was sent, what is left, and when more may be sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from countersign.rules.submission import Limits

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Release:
    """Recipients that fall out of the window."""

    by: float
    """By when, in seconds since the epoch."""
    recipients: int
    left: int
    """What may then be sent to in all."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The figures of one user."""

    used: int
    """Recipients of the last 24 hours."""
    limits: Limits
    releases: Sequence[Release]
    """What falls out of the window in the next 24 hours, the next first; empty: no limit."""

    @property
    def left(self) -> int | None:
        """Recipients that may still be sent to; None: no limit."""
        return None if self.limits.per_day is None else max(0, self.limits.per_day - self.used)

    @property
    def next_release(self) -> Release | None:
        """When the next can be sent, of one who has nothing left; None: now, or never."""
        if self.left != 0:
            return None
        return next((one for one in self.releases if one.left > 0), None)


def standing_of(used: int, hours: Sequence[int], limits: Limits, now: float) -> Standing:
    """Return how a user stands. hours: recipients of each of the last 24 hours, oldest first."""
    if limits.per_day is None:
        return Standing(used, limits, ())
    releases, gone = [], 0
    for number, recipients in enumerate(hours, start=1):
        if recipients:
            gone += recipients
            left = max(0, limits.per_day - max(0, used - gone))
            releases.append(Release(now + number * HOUR, recipients, left))
    return Standing(used, limits, releases)


def hour_begins(now: float, count: int = 24) -> list[float]:
    """Return when each of the last hours began, the oldest first, in seconds since the epoch."""
    return [now - (count - number) * HOUR for number in range(count)]
