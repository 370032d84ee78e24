"""What a page's handler works with: who asks, for what, and how to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from countersign.gateway.pages.parts import PagesParts
from countersign.gateway.pages.rendering import environment, moment
from countersign.gateway.pages.sessions import Session, form_token, is_cookie, new_cookie
from countersign.web.frame import Flash, Frame, Link, Person

COOKIE = "countersign-pages"
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
_OF_USERS = (("/", "My account"),)
_OF_ADMINISTRATORS = (
    ("/administrator", "Senders and locks"),
    ("/administrator/sign-ins", "Failed sign-ins"),
    ("/administrator/records", "Privileges and journal"),
)


@dataclass(slots=True)
class Visit:
    """One request for a page."""

    parts: PagesParts
    request: Request
    now: float
    """Seconds since the epoch."""
    cookie: str
    """The browser's; made up for one that has none."""
    session: Session | None = None
    is_administrator: bool = False
    form: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: PagesParts, request: Request) -> Visit:
        """Read a request's cookie."""
        cookie = request.cookies.get(parts.site.cookie(COOKIE), "")
        return cls(parts, request, parts.clock(), cookie if is_cookie(cookie) else new_cookie())

    @property
    def user(self) -> str:
        """Who has signed in. Only for pages of users."""
        if self.session is None:
            raise RuntimeError("nobody has signed in")
        return self.session.user

    @property
    def address(self) -> str:
        """The visitor's network address."""
        return self.request.client.host if self.request.client else ""

    @property
    def contact(self) -> str:
        """Whom users are to ask."""
        return self.parts.config.administrator.contact or "your mail administrator"

    def renew_cookie(self) -> None:
        """Give the browser another cookie, which stands for nobody yet."""
        self.cookie, self.session = new_cookie(), None

    def flash(self, text: str, kind: Literal["success", "error", "notice"] = "success") -> None:
        """Show a message at the top of the next page."""
        if self.session is not None:
            self.session.flashes.append(Flash(kind, text))

    def redirect(self, path: str) -> Response:
        """Send the browser on to a page of ours, by GET."""
        if self.request.headers.get("hx-request") == "true":
            # A part that refreshes itself must not put a whole page in its place.
            return self._with_cookie(Response(status_code=204, headers={"HX-Redirect": path}))
        return self._with_cookie(RedirectResponse(path, 303))

    def render(self, template: str, /, *, code: int = 200, **context: Any) -> Response:
        """Return a page. Templates also get ``frame`` and ``visit``."""
        text = (
            environment().get_template(template).render(frame=self._frame(), visit=self, **context)
        )
        return self._with_cookie(HTMLResponse(text, code, {"Vary": "Cookie"}))

    def _with_cookie(self, response: Response) -> Response:
        name = self.parts.site.cookie(COOKIE)
        if self.request.cookies.get(name) != self.cookie:
            response.set_cookie(
                name,
                self.cookie,
                path="/",
                secure=self.parts.site.secure,
                httponly=True,
                samesite="lax",
            )
        return response

    def _frame(self) -> Frame:
        session = self.session
        flashes: Sequence[Flash] = ()
        if session is not None:
            flashes, session.flashes = tuple(session.flashes), []
        role = "Administrator" if self.is_administrator else ""
        return Frame(
            operator=self.parts.config.hostname,
            now=moment(self.now),
            navigation=self._navigation() if session else (),
            person=Person(session.user, role) if session else None,
            csrf_token=form_token(self.cookie),
            flashes=flashes,
            sign_in_url="" if self.request.url.path == SIGN_IN else SIGN_IN,
            sign_out_url=SIGN_OUT,
        )

    def _navigation(self) -> list[Link]:
        here = self.request.url.path
        found = [*_OF_USERS, *(_OF_ADMINISTRATORS if self.is_administrator else ())]
        return [Link(label, path, path == here) for path, label in found]
