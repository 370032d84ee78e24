"""The website as one ASGI application.

outermost: SecurityHeaders > Records > HostCheck > ClientAddress > RequestLimit
then: static files; the API, if there is one; each page's `dispatch.Path`; 404
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from countersign.registrar.api.plain_answers import ProblemAnswers
from countersign.registrar.operations.office import NotFoundError, Office
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.dispatch import Path
from countersign.registrar.web.pages import Page, by_path
from countersign.registrar.web.rendering import STATICS, environment
from countersign.registrar.web.sections import all_pages
from countersign.registrar.web.security.throttles import Throttles
from countersign.registrar.web.visit import Visit
from countersign.web.assets import Assets
from countersign.web.security.addresses import ClientAddress, Limiter, RequestLimit
from countersign.web.security.headers import SecurityHeaders
from countersign.web.security.hosts import HostCheck
from countersign.web.security.records import Records
from countersign.web.site import Site
from countersign.web.static_folders import STATIC_PREFIX

API_PREFIX = "/api"
HEALTH = "/health"
_MAX_API_BODY = 1024 * 1024
"""Octets; routes that take scans have a limit of their own."""


class KeyConvertor(Convertor[int]):
    """A row's key in a path, ``{server:key}``: small enough for both databases."""

    regex = "[1-9][0-9]{0,17}"

    def convert(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Return its digits."""
        return str(int(value))


register_url_convertor("key", KeyConvertor())


def make_app(
    office: Office, *, api: ASGIApp | None = None, pages: Sequence[Page] | None = None
) -> Starlette:
    """Return the website of an office.

    api: the REST API, found below ``/api``; it sees the path without that. pages: all there
    are, unless a test says otherwise. Raises :class:`SiteError` for a bad ``url`` in the
    configuration, and :class:`UndeclaredError` for a route that does not say who may use it.
    """
    site = Site.of(office.config.url)
    environment()
    throttles = Throttles.of(office.config.security)
    paths = [
        Path(office, site, throttles, path, methods)
        for path, methods in by_path(all_pages() if pages is None else pages).items()
    ]
    anything = Page("GET", "/{path:path}", PUBLIC, _nothing_here, 0)
    post = Page("POST", anything.path, PUBLIC, _nothing_here, 0)
    rest = Path(office, site, throttles, anything.path, {"GET": anything, "POST": post})
    routes: list[BaseRoute] = [
        Mount(STATIC_PREFIX.rstrip("/"), Assets(STATICS)),
        *([Mount(API_PREFIX, api, max_body_size=_MAX_API_BODY)] if api is not None else []),
        *(path.route() for path in paths),
        rest.route(),
    ]
    app = Starlette(routes=routes, middleware=_layers(office, site))
    app.router.redirect_slashes = False
    app.state.paths = paths
    return app


def _layers(office: Office, site: Site) -> list[Middleware]:
    config = office.config
    limiter = Limiter(config.security.requests_per_minute, 60)
    return [
        Middleware(SecurityHeaders, secure=site.secure),
        Middleware(ProblemAnswers, below=API_PREFIX),
        Middleware(Records),
        Middleware(HostCheck, site=site, free=HEALTH),
        Middleware(ClientAddress, trusted=config.trusted_proxies),
        Middleware(RequestLimit, limiter=limiter, free=STATIC_PREFIX),
    ]


def _nothing_here(_visit: Visit, path: str) -> Response:
    raise NotFoundError("The address may have been mistyped, or the page has been moved.")
