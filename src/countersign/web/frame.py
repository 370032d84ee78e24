"""What stands around every page: whose site it is, where one can go, who is signed in."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of a navigation or menu."""

    label: str
    url: str
    current: bool = False
    """Whether the page shown is this one, or lies below it."""


@dataclass(frozen=True, slots=True)
class Flash:
    """One message about what has just been done."""

    kind: Literal["success", "error", "notice"]
    text: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as the page's head shows it."""

    name: str
    role: str = ""
    """In words, for instance 'Owner' or 'Screener, treasurer'; empty: not shown."""
    menu: Sequence[Link] = ()
    """Entries above the sign-out button, for instance 'Account and security'."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that ``base.html`` needs; templates reach it as ``frame``."""

    operator: str
    """Whose website it is."""
    now: datetime.datetime
    """The moment of the request, UTC: all relative times on the page count from it."""
    navigation: Sequence[Link] = ()
    person: Person | None = None
    csrf_token: str = ""
    """Goes into every form that posts, the sign-out form included."""
    flashes: Sequence[Flash] = ()
    s_day: datetime.date | None = None
    footer: Sequence[Link] = ()
    home_url: str = "/"
    sign_in_url: str = "/sign-in"
    """Empty: no link to sign in is offered."""
    sign_out_url: str = "/sign-out"
    scripts: Sequence[str] = field(default=())
    """Further scripts of the static folder that the page needs."""

    @property
    def days_to_s_day(self) -> int | None:
        """Return the days until S-DAY, negative after it; None if there is no date."""
        return (self.s_day - self.now.date()).days if self.s_day is not None else None
