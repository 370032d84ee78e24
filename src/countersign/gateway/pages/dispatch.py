"""From a request to a page: who asks, whether they may, whether a page of ours made the form."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from countersign.gateway.pages.errors import PageError, answer_to
from countersign.gateway.pages.parts import PagesParts
from countersign.gateway.pages.routing import Allow, Page
from countersign.gateway.pages.sessions import form_token
from countersign.gateway.pages.visit import SIGN_IN, Visit
from countersign.web.security.origins import is_same_origin
from countersign.web.security.records import ROUTE

MAX_FORM = 16 * 1024
"""Octets."""
_MAX_FIELDS = 20
_FORM_SECONDS = 20.0
_OUT_OF_DATE = "The form is out of date, or was not made by this website. Load the page again."


class Path:
    """All pages of one path."""

    def __init__(self, parts: PagesParts, path: str, pages: Mapping[str, Page]) -> None:
        self.path = path
        self.pages = pages
        self._parts = parts

    def route(self) -> Route:
        """Return the route that answers."""
        return Route(self.path, self._answer, methods=list(self.pages), max_body_size=MAX_FORM)

    async def _answer(self, request: Request) -> Response:
        request.scope[ROUTE] = self.path
        page = self.pages["GET" if request.method == "HEAD" else request.method]
        visit = Visit.of(self._parts, request)
        try:
            await _recognise(visit)
            away = _turned_away(visit, page)
            if away is not None:
                return away
            if page.method == "POST":
                visit.form = await _form(visit)
            return await page.handler(visit)
        except Exception as error:
            return answer_to(visit, error)


async def _recognise(visit: Visit) -> None:
    """Find out who asks. A session ends with the password that began it."""
    session = visit.parts.sessions.find(visit.cookie)
    if session is None:
        return
    known = await visit.parts.known(session.user)
    if known is None or known.proof != session.proof:
        visit.parts.sessions.end(visit.cookie)
        return
    visit.session = session
    visit.is_administrator = known.is_administrator


def _turned_away(visit: Visit, page: Page) -> Response | None:
    if page.allow is Allow.ANYBODY:
        return None
    if visit.session is None:
        # Where one was going is lost only for forms: they are not sent a second time.
        going = f"{SIGN_IN}?next={page.path}" if page.method == "GET" and page.path != "/" else ""
        return visit.redirect(going or SIGN_IN)
    if page.allow is Allow.ADMINISTRATOR and not visit.is_administrator:
        raise PageError(403)
    return None


async def _form(visit: Visit) -> dict[str, str]:
    """Read a form and check that a page of ours made it for this browser."""
    request = visit.request
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise PageError(400)
    async with asyncio.timeout(_FORM_SECONDS):
        form = await request.form(max_files=0, max_fields=_MAX_FIELDS)
    fields = _texts(form)
    token = fields.pop("csrf_token", "")
    is_ours = hmac.compare_digest(token.encode(), form_token(visit.cookie).encode())
    if not is_ours or not is_same_origin(request.headers, visit.parts.site):
        raise PageError(403, _OUT_OF_DATE)
    return fields


def _texts(form: FormData) -> dict[str, str]:
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    if len(fields) > _MAX_FIELDS or not all(map(_is_text, fields.values())):
        raise PageError(400)
    return fields


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
