"""What users send on ordinary days: seeded, so that each run is the same.

Measured distributions of mail per user have a long tail: most send a few messages a day, some a
great many. So it is here: messages a day are log-normal (median 6), recipients a message mostly
one, two thirds of the mail goes in office hours, and one user in fifty sends a newsletter, in
pieces of at most 50 recipients. Users stay within 290 recipients in any 24 hours: who needs more
asks for a limit of his own, as the proposal has it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from countersign.rules.submission import DAY

ORDINARY_MOST = 290
"""Recipients that an ordinary user sends to in 24 hours at most."""
_NEWSLETTER_SHARE = 0.02
_HOURS = (1, 1, 0, 0, 0, 1, 3, 8, 16, 22, 24, 20, 14, 18, 22, 20, 16, 11, 7, 6, 6, 5, 4, 2)
"""How much of the mail goes in each hour of the day, as weights."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One message that somebody wants to send."""

    at: float
    user: str
    recipients: int
    address: str
    """Of the client."""
    thief: str = ""
    """Name of the attack; empty: the user himself sends."""


def ordinary_days(users: int, days: int, start: float, seed: int) -> list[Sending]:
    """Return what so many users send on so many days, in order of time."""
    found: list[Sending] = []
    for number in range(users):
        # Each user has a source of his own: another number of users changes nobody's days.
        source = random.Random(f"{seed}/{number}")
        found += _within_limit(_of_user(source, user_name(number), days, start))
    return sorted(found, key=lambda sending: (sending.at, sending.user))


def user_name(number: int) -> str:
    """Return the name of an ordinary user."""
    return f"user{number:04d}@example.org"


def _of_user(source: random.Random, user: str, days: int, start: float) -> list[Sending]:
    median = source.lognormvariate(1.8, 0.9)
    address = f"198.51.{source.randrange(100)}.{source.randrange(1, 255)}"
    has_newsletter = source.random() < _NEWSLETTER_SHARE
    found = []
    for day in range(days):
        begin = start + day * DAY
        for _ in range(min(150, round(source.lognormvariate(0, 0.6) * median))):
            at = begin + _second_of_day(source)
            found.append(Sending(at, user, _recipients(source), address))
        if has_newsletter:
            at, left = begin + _second_of_day(source), source.randrange(60, 251)
            while left > 0:
                found.append(Sending(at, user, min(50, left), address))
                left, at = left - 50, at + source.uniform(5, 60)
    return sorted(found, key=lambda sending: sending.at)


def _within_limit(sendings: list[Sending]) -> list[Sending]:
    kept: list[Sending] = []
    for sending in sendings:
        used = sum(one.recipients for one in kept if one.at > sending.at - DAY)
        if used + sending.recipients <= ORDINARY_MOST:
            kept.append(sending)
    return kept


def _second_of_day(source: random.Random) -> float:
    [hour] = source.choices(range(24), weights=_HOURS)
    return hour * 3600 + source.uniform(0, 3600)


def _recipients(source: random.Random) -> int:
    [(least, most)] = source.choices(
        ((1, 1), (2, 3), (4, 10), (11, 30), (31, 50)), weights=(78, 13, 6, 2.5, 0.5)
    )
    return source.randint(least, most)
