"""Who has signed in to the pages: kept in memory, so that a restart signs everybody out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from countersign.web.frame import Flash

MAX_SESSIONS = 10_000
MAX_OF_USER = 10
"""Sessions of one user; one more ends the oldest."""
_COOKIE = re.compile("[A-Za-z0-9_-]{43}")


@dataclass(slots=True, repr=False)
class Session:
    """One browser in which a user has signed in."""

    user: str
    ends: float
    """Seconds since the epoch."""
    proof: bytes
    """What the password was checked by at the time: another one ends the session."""
    flashes: list[Flash] = field(default_factory=list)
    """Messages for the next page."""


class Sessions:
    """The sessions of this process. All last equally long: the first to begin ends first."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        """seconds: how long one lasts. clock: seconds since the epoch."""
        self._seconds = seconds
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()

    def begin(self, user: str, proof: bytes) -> str:
        """Begin a session; return its cookie, which nobody has seen before."""
        self._forget_what_ended()
        of_user = [cookie for cookie, one in self._open.items() if one.user == user]
        for cookie in of_user[: max(0, len(of_user) - MAX_OF_USER + 1)]:
            del self._open[cookie]
        if len(self._open) >= MAX_SESSIONS:
            self._open.popitem(last=False)
        cookie = new_cookie()
        self._open[cookie] = Session(user, self._clock() + self._seconds, proof)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, unless it has ended."""
        self._forget_what_ended()
        return self._open.get(cookie)

    def end(self, cookie: str) -> None:
        """End a session; nothing happens if it has ended."""
        self._open.pop(cookie, None)

    def _forget_what_ended(self) -> None:
        now = self._clock()
        while self._open and next(iter(self._open.values())).ends <= now:
            self._open.popitem(last=False)


def new_cookie() -> str:
    """Return a value that cannot be guessed, for a browser's cookie."""
    return secrets.token_urlsafe(32)


def is_cookie(value: str) -> bool:
    """Tell whether a value has the form of a cookie of ours."""
    return _COOKIE.fullmatch(value) is not None


def form_token(cookie: str) -> str:
    """Return the token of forms that are made for a browser with this cookie."""
    # Derived one way: the token in a page does not give the cookie away.
    digest = hmac.digest(cookie.encode(), b"form", hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
