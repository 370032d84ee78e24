"""The API as one application, mounted below /api of the website."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from countersign import __version__
from countersign.certification.exchange import MAX_RESULT
from countersign.registrar.api import (
    applications,
    documents,
    holdings,
    me,
    money,
    offenders,
    payment_notices,
    probes,
    problems,
    public,
    servers,
    sponsors,
    tests,
    zone,
)
from countersign.registrar.api.document import describe, first_sentence
from countersign.registrar.api.guarding import PREFIX
from countersign.registrar.api.head_requests import HeadRequests
from countersign.registrar.api.probe_waiting import WaitingRoom
from countersign.registrar.operations.office import Office
from countersign.registrar.web.access import Access, declared

_ROUTERS: tuple[APIRouter, ...] = (
    public.router,
    zone.router,
    me.router,
    servers.router,
    tests.router,
    applications.router,
    sponsors.router,
    money.router,
    holdings.router,
    offenders.router,
    payment_notices.router,
    probes.router,
)
_ABOUT = """
The registrar for programs: what an owner or agent does in a browser, and what a gateway needs.

- **Tokens** are made in the browser on the page *API tokens*, with scopes, for all of
  one's servers or a single one. They are sent as `Authorization: Bearer …`.
- **Errors** are problem details (RFC 9457), with a sentence that says what to do. 400: the
  request is not of the form that is described here. 422: it is, but the rules are against it.
- **Idempotency-Key** on a change: sent again, it is not done again and gets the same answer.
- **ETag**, `If-None-Match`, `If-Match`: read only what has changed, change only what you saw.
- **Pages**: `next` of an answer is the `cursor` of the next one.
- Money is in the currency's minor unit; times are UTC.
"""


def make_api(office: Office) -> FastAPI:
    """Return the API of an office."""
    app = FastAPI(
        title="Countersign registrar",
        version=__version__,
        description=_ABOUT,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": "/api"}],
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.office = office
    app.state.methods = [(compile_path(path)[0], method) for method, path, _ in declarations()]
    app.state.waiting = WaitingRoom(office)
    app.add_middleware(HeadRequests)
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router, prefix=PREFIX)
    scans = APIRouter(max_body_size=office.config.security.upload_size)
    scans.include_router(documents.router, prefix=PREFIX)
    app.include_router(scans)
    results = APIRouter(max_body_size=MAX_RESULT)
    results.include_router(probes.results, prefix=PREFIX)
    app.include_router(results)
    describe(app, declarations())
    return app


@dataclass(frozen=True, slots=True)
class Entry:
    """One route, for people to read."""

    subject: str
    method: str
    path: str
    """Below `/api`."""
    summary: str
    access: Access


def overview() -> Iterator[Entry]:
    """Return what there is, for people to read."""
    for route in _routes():
        for method in sorted(route.methods or ()):
            yield Entry(
                str(route.tags[0]),
                method,
                f"{PREFIX}{route.path}",
                first_sentence(route.description),
                declared(route.endpoint, route.path),
            )


def declarations() -> Iterator[tuple[str, str, Access]]:
    """Return method, path below /api and declaration of each route.

    Raises :class:`UndeclaredError` for a route that does not say who may use it.
    """
    for route in _routes():
        path = f"{PREFIX}{route.path}"
        for method in sorted(route.methods or ()):
            yield method, path, declared(route.endpoint, path)


def _routes() -> Iterator[APIRoute]:
    for router in (*_ROUTERS, documents.router, probes.results):
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield route
