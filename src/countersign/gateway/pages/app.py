"""The pages as one ASGI application.

outermost: SecurityHeaders > Records > HostCheck > ClientAddress > RequestLimit
then: static files; each page's :class:`~countersign.gateway.pages.dispatch.Path`; 404

A new page is declared in a module of its own, which is named here.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount

from countersign.gateway.pages import account, signing
from countersign.gateway.pages.administrator import records, senders, sign_ins
from countersign.gateway.pages.dispatch import Path
from countersign.gateway.pages.errors import PageError
from countersign.gateway.pages.parts import PagesParts
from countersign.gateway.pages.rendering import STATICS, environment
from countersign.gateway.pages.routing import Allow, Page
from countersign.gateway.pages.visit import Visit
from countersign.web.assets import Assets
from countersign.web.security.addresses import ClientAddress, Limiter, RequestLimit
from countersign.web.security.headers import SecurityHeaders
from countersign.web.security.hosts import HostCheck
from countersign.web.security.records import Records
from countersign.web.static_folders import STATIC_PREFIX

REQUESTS_PER_MINUTE = 120
"""From one address; sign-ins that fail have limits of their own (`sign_in` in the settings)."""
_MODULES = (signing, account, senders, sign_ins, records)


def make_app(parts: PagesParts) -> Starlette:
    """Return the application."""
    environment()
    found: dict[str, dict[str, Page]] = {}
    for page in all_pages():
        found.setdefault(page.path, {})[page.method] = page
    paths = [Path(parts, path, pages) for path, pages in found.items()]
    anything = "/{path:path}"
    get = Page("GET", anything, Allow.ANYBODY, _nothing_here)
    post = Page("POST", anything, Allow.ANYBODY, _nothing_here)
    rest = Path(parts, anything, {"GET": get, "POST": post})
    app = Starlette(
        routes=[
            Mount(STATIC_PREFIX.rstrip("/"), Assets(STATICS)),
            *(path.route() for path in paths),
            rest.route(),
        ],
        middleware=_layers(parts),
    )
    app.router.redirect_slashes = False
    return app


def all_pages() -> list[Page]:
    """Return all that modules have declared."""
    return [page for module in _MODULES for page in module.pages.all]


def _layers(parts: PagesParts) -> list[Middleware]:
    limiter = Limiter(REQUESTS_PER_MINUTE, 60)
    return [
        # No HSTS: it would bind whatever else is served under the mail server's name.
        Middleware(SecurityHeaders, secure=False),
        Middleware(Records),
        Middleware(HostCheck, site=parts.site),
        Middleware(ClientAddress, trusted=parts.config.pages.trusted_proxies),
        Middleware(RequestLimit, limiter=limiter, free=STATIC_PREFIX),
    ]


async def _nothing_here(_visit: Visit) -> Response:
    raise PageError(404)
