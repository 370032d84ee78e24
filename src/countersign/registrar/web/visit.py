"""What a page's handler works with: who asks, for what, and how to answer."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import quote, urlsplit

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from countersign.registrar.operations.office import Actor, ForbiddenError, Office, Work
from countersign.registrar.operations.sessions import SignedIn
from countersign.registrar.web.access import Standing
from countersign.registrar.web.forms import BoundedRequest, Fields
from countersign.registrar.web.navigation import footer, navigation, person
from countersign.registrar.web.rendering import render, render_block
from countersign.registrar.web.security.throttles import Throttles
from countersign.registrar.web.session import Browser
from countersign.rules.access import Permission, acting_role
from countersign.rules.roles import Role
from countersign.web.frame import Flash, Frame
from countersign.web.rendering import wants_part
from countersign.web.security.addresses import bucket_of


class _LateToken:
    """The form token, made only if the page has a form in it."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def __str__(self) -> str:
        return self._make()

    __html__ = __str__


@dataclass(slots=True)
class Visit:
    """One request for a page."""

    office: Office
    request: BoundedRequest
    browser: Browser
    throttles: Throttles
    now: datetime.datetime
    standing: Standing = field(default_factory=Standing)
    query: Fields = field(default_factory=Fields)
    form: Fields = field(default_factory=Fields)
    scripts: tuple[str, ...] = ()
    """Scripts of the static folder that the page needs beside those of every page."""

    # Who asks.

    @property
    def person(self) -> SignedIn | None:
        """Who has signed in; None: nobody."""
        return self.browser.person

    @property
    def me(self) -> SignedIn:
        """Who has signed in. Raises :class:`ForbiddenError` if nobody has."""
        if self.person is None:
            raise ForbiddenError("Sign in first.")
        return self.person

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that count here: towards the path's server, if it names one, else one's own."""
        return self.standing.towards or self.standing.roles

    def may(self, permission: Permission) -> bool:
        """Tell whether the visitor may do a thing here; templates ask it too."""
        return acting_role(self.roles, permission) is not None

    def actor(self, permission: Permission) -> Actor:
        """Return who acts, in the role that allows it. Raises :class:`ForbiddenError`."""
        role = acting_role(self.roles, permission)
        if role is None:
            raise ForbiddenError(f"You may not {permission}.")
        return Actor(role, self.me.account_id)

    @property
    def owner(self) -> Actor:
        """The visitor as the person that everybody is: owner of one's own things."""
        return Actor(Role.OWNER, self.me.account_id)

    @property
    def address(self) -> str:
        """What the visitor's network address is counted by."""
        client = self.request.client
        return bucket_of(client.host if client else "")

    # The data.

    def work(self) -> contextlib.AbstractContextManager[Work]:
        """Give a transaction; see :meth:`Office.work`."""
        return self.office.work()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Work]:
        """Give a view that changes nothing."""
        with self.office.reading() as work:
            yield work

    # The answer.

    def flash(self, text: str, kind: Literal["success", "error", "notice"] = "success") -> None:
        """Show a message at the top of the next page."""
        self.browser.leaving.append(Flash(kind, text))

    def render(self, template: str, /, *, code: int = 200, **context: Any) -> Response:
        """Return a page with an HTTP code. Templates also get ``frame`` and ``visit``."""
        text = render(template, frame=self.frame(), visit=self, **context)
        return HTMLResponse(text, code, {"Vary": "Cookie, HX-Request"})

    def render_part(self, template: str, block: str, /, **context: Any) -> Response:
        """Return one block of a page, for a request of htmx (see `wants_part`)."""
        text = render_block(template, block, frame=self.frame(), visit=self, **context)
        return HTMLResponse(text, 200, {"Vary": "Cookie, HX-Request"})

    @property
    def wants_part(self) -> bool:
        """Tell whether htmx asks for a part of the page only."""
        return wants_part(self.request.headers)

    def redirect(self, url: str) -> Response:
        """Send the browser on to a page of this website, by GET."""
        return RedirectResponse(local(url), 303)

    def json(self, content: Any) -> Response:
        """Return JSON, for a script of ours."""
        return JSONResponse(content)

    def download(self, content: bytes, filename: str, media_type: str) -> Response:
        """Return a file to be saved."""
        plain = "".join(
            c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in filename
        )
        disposition = (
            f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
        )
        return Response(content, 200, {"Content-Disposition": disposition}, media_type)

    def frame(self) -> Frame:
        """Return what stands around the page."""
        path = self.request.url.path
        return Frame(
            operator=self.office.config.operator_name,
            now=self.now,
            navigation=navigation(self.standing, path),
            person=person(self.person, path),
            csrf_token=cast(str, _LateToken(self.browser.csrf_token)),
            flashes=self.browser.flashes_shown(),
            s_day=self.office.config.s_day,
            footer=footer(path),
            scripts=self.scripts,
        )


def local(url: str, default: str = "/") -> str:
    """Return an address if it is one of this website, by its path; else the default."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return default
    plain = url.startswith("/") and not url.startswith("//") and url.isprintable()
    if parts.scheme or parts.netloc or not plain or "\\" in url:
        return default
    return url
