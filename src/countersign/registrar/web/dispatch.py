"""From a request to a page's handler and back: who asks, may they, what did they send.

A handler runs in a thread. So does all that touches the database; the event loop only reads
what arrives, and only from those who may send it.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from countersign.registrar.operations.office import ForbiddenError, NotFoundError, Office
from countersign.registrar.web import access, entrance
from countersign.registrar.web.access import Verdict
from countersign.registrar.web.errors import CrossSiteError, answer_to, error_page
from countersign.registrar.web.forms import (
    BoundedRequest,
    MalformedError,
    fields_of_form,
    fields_of_query,
    read_form,
)
from countersign.registrar.web.pages import Page
from countersign.registrar.web.security.throttles import Throttles
from countersign.registrar.web.session import Browser
from countersign.registrar.web.visit import Visit
from countersign.web.security.origins import SAFE_METHODS, is_same_origin
from countersign.web.security.records import ROUTE
from countersign.web.site import Site

_BODY_SECONDS = 120
"""How long a form may take to arrive."""


class Path:
    """All pages of one path: an ASGI application."""

    def __init__(
        self,
        office: Office,
        site: Site,
        throttles: Throttles,
        path: str,
        pages: Mapping[str, Page],
    ) -> None:
        self.path = path
        self._throttles = throttles
        self.pages = dict(pages)
        self._office = office
        self._site = site

    def route(self) -> Route:
        """Return the route."""
        return Route(self.path, self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = BoundedRequest(scope, receive)
        scope[ROUTE] = self.path
        browser = Browser.of(request, self._site)
        visit = Visit(self._office, request, browser, self._throttles, self._office.clock())
        response = await self._answer(visit)
        browser.write(response)
        await response(scope, receive, send)

    async def _answer(self, visit: Visit) -> Response:
        method = "GET" if visit.request.method == "HEAD" else visit.request.method
        page = self.pages.get(method)
        if page is None:
            return await run_in_threadpool(self._wrong_method, visit)
        if method in SAFE_METHODS:
            return await run_in_threadpool(self._show, visit, page)
        turned_away = await run_in_threadpool(self._admit, visit, page)
        if turned_away is not None:
            return turned_away
        size = self._office.config.security.upload_size
        try:
            with anyio.fail_after(_BODY_SECONDS):
                form = await read_form(visit.request, page.uploads, size)
        except TimeoutError:
            late = MalformedError("The form took too long to arrive.")
            return await run_in_threadpool(answer_to, visit, late)
        except Exception as error:
            return await run_in_threadpool(answer_to, visit, error)
        try:
            return await run_in_threadpool(self._do, visit, page, form)
        finally:
            await form.close()

    def _wrong_method(self, visit: Visit) -> Response:
        response = error_page(visit, 405, "This page is not made for that kind of request.")
        response.headers["Allow"] = ", ".join(sorted(self.pages))
        return response

    def _show(self, visit: Visit, page: Page) -> Response:
        return self._admit(visit, page) or _guarded(visit, page)

    def _admit(self, visit: Visit, page: Page) -> Response | None:
        """Find out who asks; return the answer if they may not."""
        try:
            visit.query = fields_of_query(visit.request)
            visit.browser.load(self._office)
            visit.standing = entrance.standing_of(visit, page.access)
            verdict = access.decide(page.access, visit.standing)
            if verdict is Verdict.ALLOW:
                return None
            return _turn_away(visit, verdict)
        except Exception as error:
            return answer_to(visit, error)

    def _do(self, visit: Visit, page: Page, form: FormData) -> Response:
        try:
            visit.form = fields_of_form(form, self._office.config.security.upload_size)
            _check_origin(visit)
        except Exception as error:
            return answer_to(visit, error)
        return _guarded(visit, page)


def _guarded(visit: Visit, page: Page) -> Response:
    try:
        response = page(visit)
    except Exception as error:
        response = answer_to(visit, error)
    browser = visit.browser
    if visit.person is None and not browser.token_used and not browser.flashes:
        response.headers.setdefault("Cache-Control", "no-cache")
    return response


def _check_origin(visit: Visit) -> None:
    headers = visit.request.headers
    token = headers.get("x-csrf-token") or visit.form.text("csrf_token", 100)
    if not is_same_origin(headers, visit.browser.site) or not visit.browser.owns_token(token):
        raise CrossSiteError(
            "The form is out of date, or was not made by this website. "
            "Load the page again and send it once more."
        )


def _turn_away(visit: Visit, verdict: Verdict) -> Response:
    if verdict is Verdict.SIGN_IN:
        return entrance.to_sign_in(visit)
    if verdict is Verdict.ENROL:
        return visit.redirect(entrance.ENROL)
    if verdict is Verdict.PROVE:
        return entrance.to_prove(visit)
    if verdict is Verdict.HIDE:
        raise NotFoundError("There is no such server, or it is not yours.")
    raise ForbiddenError("Your role does not allow that.")
