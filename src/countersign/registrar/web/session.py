"""A browser's cookies: its session, and messages that are shown once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from starlette.requests import Request
from starlette.responses import Response

from countersign.registrar.operations import sessions
from countersign.registrar.operations.office import Office
from countersign.web.frame import Flash
from countersign.web.site import Site

_MAX_FLASHES = 5
_MAX_FLASH_TEXT = 500
DEVICE_DAYS = 90
LIVE = "live"
"""The id of what refreshes itself on a page; htmx names it in the header HX-Trigger."""


@dataclass(slots=True)
class Browser:
    """What a request's cookies say, and what the answer's are to say."""

    site: Site
    cookie: str = ""
    """The session's cookie; empty: none yet."""
    found: sessions.Found | None = None
    device: str = ""
    """The cookie by which a browser is known from which somebody signed in before."""
    flashes: list[Flash] = field(default_factory=list)
    """Messages that came with the request."""
    leaving: list[Flash] = field(default_factory=list)
    """Messages for the next page."""
    by_itself: bool = False
    """A part of a page refreshes itself: that shows of nobody that they are still there."""
    token_used: bool = False
    """The page has a form in it: the browser needs a session cookie for its token."""
    _new: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request, site: Site) -> Browser:
        """Read a request's cookies."""
        cookie = request.cookies.get(site.cookie("session"), "")
        return cls(
            site,
            cookie if sessions.is_cookie(cookie) else "",
            device=request.cookies.get(site.cookie("device"), "")[:200],
            flashes=_flashes_of(request.cookies.get(site.cookie("flash"), "")),
            by_itself=request.headers.get("hx-trigger") == LIVE,
        )

    def load(self, office: Office) -> None:
        """Look the session up, and note at most once a minute that it is in use."""
        if not self.cookie:
            return
        with office.reading() as work:
            self.found = sessions.find(work, self.cookie)
            now = work.now
        found = None if self.by_itself else self.found
        if found and found.person and (now - found.last_seen_at).total_seconds() >= 60:
            with office.work() as work:
                sessions.touch(work, found.digest)

    @property
    def person(self) -> sessions.SignedIn | None:
        """Who has signed in."""
        return self.found.person if self.found else None

    def csrf_token(self) -> str:
        """Return the token that this browser's forms carry; makes a cookie if there is none."""
        if not self.cookie:
            self.cookie = sessions.new_cookie()
        self.token_used = True
        return csrf_token_of(self.cookie)

    def owns_token(self, token: str) -> bool:
        """Tell whether a form's token is this browser's."""
        return bool(self.cookie) and hmac.compare_digest(
            csrf_token_of(self.cookie).encode(), token.encode()
        )

    def start(self, cookie: str) -> None:
        """Take a new session: the old cookie is worth nothing any more."""
        self.cookie = cookie
        self._new["session"] = (cookie, None)

    def forget(self) -> None:
        """Drop the session's cookie."""
        self.cookie, self.found = "", None
        self._new["session"] = ("", 0)

    def remember_device(self, value: str) -> None:
        """Let this browser be known again (see `operations/devices.py`)."""
        self._new["device"] = (value, DEVICE_DAYS * 86400)

    def write(self, response: Response) -> None:
        """Put the cookies into an answer."""
        if self.token_used and self.cookie and self.found is None and "session" not in self._new:
            self._new["session"] = (self.cookie, None)
        if self.leaving:
            self._new["flash"] = (_flash_cookie(self.leaving), 300)
        for name, (value, seconds) in self._new.items():
            response.set_cookie(
                self.site.cookie(name),
                value,
                max_age=seconds,
                path="/",
                secure=self.site.secure,
                httponly=True,
                samesite="lax",
            )

    def flashes_shown(self) -> list[Flash]:
        """Return the messages to show on this page; they are not shown again."""
        shown = [*self.flashes, *self.leaving]
        if self.flashes:
            self._new["flash"] = ("", 0)
        self.leaving = []
        return shown


def csrf_token_of(cookie: str) -> str:
    """Return the token of forms that are made for a session cookie."""
    # Derived, so that nothing need be stored for visitors who only look; one way, so that the
    # token in a page does not give the cookie away.
    return _encode(hmac.digest(cookie.encode(), b"csrf", hashlib.sha256))


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _flash_cookie(flashes: list[Flash]) -> str:
    last = flashes[-_MAX_FLASHES:]
    return _encode(json.dumps([(one.kind, one.text[:_MAX_FLASH_TEXT]) for one in last]).encode())


def _flashes_of(value: str) -> list[Flash]:
    """Return the messages in a cookie. What is not as we write it is no message."""
    if not value or len(value) > 8192:
        return []
    try:
        parsed: Any = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
        return [
            Flash(cast(Literal["success", "error", "notice"], kind), str(text)[:_MAX_FLASH_TEXT])
            for kind, text in parsed[:_MAX_FLASHES]
            if kind in ("success", "error", "notice")
        ]
    except (ValueError, TypeError, RecursionError):
        return []
