"""The API as one application, mounted below /api of the website."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from countersign import __version__
from countersign.registrar.api import (
    applications,
    holdings,
    payment_notices,
    problems,
    public,
    servers,
)
from countersign.registrar.operations.office import Office
from countersign.registrar.web.access import Access, declared

_ROUTERS: tuple[APIRouter, ...] = (
    public.router,
    servers.router,
    applications.router,
    holdings.router,
    payment_notices.router,
)
_ABOUT = """
The registrar for programs: what an owner or agent does in a browser, and what a gateway needs.

- **Tokens** are made in the browser on the page *Account and security*, with scopes, for all of
  one's servers or a single one. They are sent as `Authorization: Bearer …`.
- **Errors** are problem details (RFC 9457), with a sentence that says what to do.
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
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.office = office
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router, prefix="/v1")
    _add_problem_schema(app)
    return app


def declarations() -> Iterator[tuple[str, str, Access]]:
    """Return method, path below /api and declaration of each route.

    Raises :class:`UndeclaredError` for a route that does not say who may use it.
    """
    for router in _ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                path = f"/v1{route.path}"
                for method in sorted(route.methods or ()):
                    yield method, path, declared(route.endpoint, path)


def _add_problem_schema(app: FastAPI) -> None:
    schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    nested = schema.pop("$defs", {})
    made = app.openapi()
    made["components"].setdefault("schemas", {}).update({"Problem": schema, **nested})
    for path in made["paths"].values():
        for operation in path.values():
            # FastAPI says that 422 is of its own form; here it is of ours.
            _mend_validation_answer(operation["responses"])


def _mend_validation_answer(responses: dict[str, dict[str, object]]) -> None:
    if "422" in responses:
        responses["422"] = problems.answers(422)[422]
