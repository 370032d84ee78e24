"""What a person sees when something cannot be done."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import Response

from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.web.forms import MalformedError, TooLargeError
from countersign.registrar.web.visit import Visit, local
from countersign.web.security.origins import SAFE_METHODS
from countersign.web.security.records import report

_TITLES = {
    400: "That was not understood",
    403: "That is not for you",
    404: "There is no such page",
    405: "That cannot be done here",
    409: "Somebody else was first",
    413: "That is too large",
    422: "That cannot be done",
    429: "Too often",
    500: "Something went wrong",
}
_TODO = {
    403: ["If your role has changed, sign out and in again."],
    404: ["Check the address.", "Look a server up in the directory."],
    413: ["Go back, and choose a smaller file, or scan it with less detail."],
    409: ["Go back, load the page again, and see how things stand now."],
    429: ["Wait a while, then try again."],
    500: ["Try it again in a while.", "If it happens again, write to us."],
}
_STATUS: tuple[tuple[type[OperationError], int], ...] = (
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (ConflictError, 409),
    (MalformedError, 400),
    (TooLargeError, 413),
    (OperationError, 422),
)


class CrossSiteError(ForbiddenError):
    """A form that no page of ours made for this browser."""


class ThrottledError(OperationError):
    """Too often from this address."""


def error_page(visit: Visit, status: int, happened: str, *, reference: str = "") -> Response:
    """Return the page for an error."""
    return visit.render(
        "error.html",
        code=status,
        status=status,
        title=_TITLES.get(status, "That cannot be done"),
        happened=happened,
        todo=_TODO.get(status, []),
        reference=reference,
    )


def answer_to(visit: Visit, error: Exception) -> Response:
    """Return what a person sees of an error that a page raised.

    A form that could not be done leads back to where it stood, with the reason above it.
    """
    if isinstance(error, ThrottledError):
        return error_page(visit, 429, str(error))
    if isinstance(error, OperationError):
        status = next(code for kind, code in _STATUS if isinstance(error, kind))
        back = _page_of_form(visit)
        if status == 422 and back:
            visit.flash(str(error), "error")
            return visit.redirect(back)
        return error_page(visit, status, str(error))
    if isinstance(error, HTTPException):
        return error_page(visit, error.status_code, "The website did not understand the request.")
    return error_page(
        visit,
        500,
        "It is our fault, and it has been recorded.",
        reference=report(error),
    )


def _page_of_form(visit: Visit) -> str:
    request = visit.request
    if request.method in SAFE_METHODS or visit.wants_part:
        return ""
    referrer = request.headers.get("referer", "")
    origin = visit.browser.site.origin
    if not referrer.startswith(f"{origin}/"):
        return ""
    parts = urlsplit(referrer)
    return local(parts.path + (f"?{parts.query}" if parts.query else ""), "")
