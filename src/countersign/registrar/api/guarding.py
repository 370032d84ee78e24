"""What every route of the API does first: who calls, what is asked, the body, in bounds.

The caller is known before anything is read from him, so that strangers cannot make us read.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from countersign.registrar.api.caller import admit
from countersign.registrar.api.probe_caller import admit_probe, check_body
from countersign.registrar.api.problems import Fault, ProblemError, problem
from countersign.registrar.operations.office import OperationError
from countersign.registrar.web.access import Kind, declared
from countersign.web.security.records import ROUTE, report

PREFIX = "/v1"
"""Of all paths, below `/api`."""
_BODY_SECONDS = 120
"""How long a body may take to arrive."""
_EXPECTED = (ProblemError, OperationError, HTTPException, RequestValidationError)
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that lets in whom its declaration (`web/access.py`) names, and nobody else.

    Leaves ``request.state.bearer`` (where a token is wanted), ``request.state.probe`` (where a
    probe's signature is), and ``request.state.body``.
    """

    def get_route_handler(self) -> _Handler:
        """Return what answers a request."""
        handle = super().get_route_handler()
        access = declared(self.endpoint, self.path)
        known = {one.alias for one in self.dependant.query_params}

        async def guarded(request: Request) -> Response:
            request.scope[ROUTE] = f"/api{PREFIX}{self.path}"
            try:
                if access.kind is Kind.TOKEN:
                    request.state.bearer = await run_in_threadpool(admit, request, access.scope)
                elif access.kind is Kind.PROBE:
                    authorization = await run_in_threadpool(admit_probe, request)
                    request.state.probe = authorization.probe
                _check_query(request, known)
                request.state.body = await _body(request)
                if access.kind is Kind.PROBE:
                    check_body(authorization, request.state.body)
                return await handle(request)
            except _EXPECTED:
                raise
            except Exception as error:
                # Here, not further out: what the server logs of an error may quote its message.
                reference = report(error)
                return problem(
                    500,
                    "Something went wrong on our side, and nothing was changed. If you write to "
                    f"us, quote {reference}.",
                )

        return guarded


def _check_query(request: Request, known: set[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        faults = [Fault(field="query", reason=f"Parameters that are known here: {names}.")]
        raise ProblemError(400, "This address does not take such a parameter.", faults=faults)


async def _body(request: Request) -> bytes:
    try:
        with anyio.fail_after(_BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise ProblemError(408, "The request took too long to arrive.") from None
    except ClientDisconnect:
        raise ProblemError(400, "The request did not arrive whole.") from None
