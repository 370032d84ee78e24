"""Signing in with the mail password, and out."""

from __future__ import annotations

import structlog
from starlette.responses import Response

from countersign.gateway.pages.errors import PageError
from countersign.gateway.pages.routing import Allow, Pages
from countersign.gateway.pages.visit import SIGN_IN, SIGN_OUT, Visit
from countersign.gateway.submission.sources.interface import Rejected, SourceUnavailableError
from countersign.rules.submission import MAX_USER

log = structlog.get_logger()
pages = Pages()

_MAX_PASSWORD = 1024
"""Characters."""
_NEXT = ("/", "/administrator", "/administrator/sign-ins", "/administrator/records")
_WRONG = "That is not the name and password of a user of this mail server."
_LIMITED = (
    "Too many sign-ins have failed from your address. Wait a while, then try again: "
    "your password has not been looked at."
)
_UNAVAILABLE = "Passwords cannot be checked at present. Try again in a moment."


@pages.get(SIGN_IN, allow=Allow.ANYBODY)
async def show(visit: Visit) -> Response:
    """Show the form."""
    if visit.session is not None:
        return visit.redirect("/")
    return _form(visit, _next(visit.request.query_params.get("next", "")))


@pages.post(SIGN_IN, allow=Allow.ANYBODY)
async def sign_in(visit: Visit) -> Response:
    """Judge a name and a password, within the limits on failures that mail programs have too."""
    going = _next(visit.form.get("next", ""))
    user, password = visit.form.get("user", "").strip(), visit.form.get("password", "")
    if not user or not password or len(user) > MAX_USER or len(password) > _MAX_PASSWORD:
        return _form(visit, going, _WRONG, code=401)
    try:
        judged = await visit.parts.sign_in.check(user, password, visit.address)
    except SourceUnavailableError as error:
        log.warning("page's sign-in not judged", reason=str(error))
        return _form(visit, going, _UNAVAILABLE, code=503)
    if isinstance(judged, Rejected):
        if judged.reason == "limited":
            return _form(visit, going, _LIMITED, code=429)
        return _form(visit, going, _WRONG, code=401)
    known = await visit.parts.known(judged.user)
    if known is None:
        raise PageError(403, "This account has been disabled.")
    # Another cookie than before: one that somebody has put into the browser opens nothing.
    visit.parts.sessions.end(visit.cookie)
    visit.cookie = visit.parts.sessions.begin(judged.user, known.proof)
    return visit.redirect(going)


@pages.post(SIGN_OUT, allow=Allow.USER)
async def sign_out(visit: Visit) -> Response:
    """End the session: its cookie opens nothing any more."""
    visit.parts.sessions.end(visit.cookie)
    visit.renew_cookie()
    return visit.redirect(SIGN_IN)


def _form(visit: Visit, going: str, error: str = "", *, code: int = 200) -> Response:
    # The name is not put into the form again: it may be a password in the wrong field.
    errors = {"": error} if error else {}
    return visit.render("sign_in.html", code=code, going=going, errors=errors)


def _next(path: str) -> str:
    return path if path in _NEXT else "/"
