"""What a person sees when something cannot be done."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from countersign.gateway.pages.visit import Visit
from countersign.gateway.submission.sources.interface import SourceUnavailableError
from countersign.storage.tables import TablesUnavailableError
from countersign.web.security.records import report

_WORDS = {
    400: ("That was not understood", "The form has something in it that no field holds."),
    403: ("That is not for you", "Only administrators of this mail server may see it."),
    404: ("There is no such page", "The address may have been mistyped."),
    405: ("That cannot be done here", "The page does not take what was sent."),
    408: ("That took too long", "The form did not arrive. Send it again."),
    413: ("That is too large", "The form is larger than any that these pages make."),
    503: ("Try again in a moment", "What you ask for cannot be looked up at present."),
}


class PageError(Exception):
    """A page that cannot be shown, or a form that cannot be done."""

    def __init__(self, code: int, words: str = "") -> None:
        """words: what happened, for the visitor; default: what belongs to the code."""
        super().__init__(words)
        self.code = code


def answer_to(visit: Visit, error: Exception) -> Response:
    """Return what a visitor sees of an error that a page raised."""
    if isinstance(error, PageError):
        return _page(visit, error.code, str(error))
    if isinstance(error, HTTPException):
        return _page(visit, error.status_code)
    if isinstance(error, TimeoutError):
        return _page(visit, 408)
    if isinstance(error, TablesUnavailableError | SourceUnavailableError):
        response = _page(visit, 503)
        response.headers["Retry-After"] = "30"
        return response
    return _page(visit, 500, reference=report(error))


def _page(visit: Visit, code: int, happened: str = "", reference: str = "") -> Response:
    title, words = _WORDS.get(code, ("Something went wrong", "It has been recorded."))
    return visit.render(
        "error.html",
        code=code,
        status=code,
        title=title,
        happened=happened or words,
        reference=reference,
    )
