"""Errors as problem details (RFC 9457): what is wrong, and what to do.

400: the request is not of the form that the document describes; 422: it is, but the rules are
against it; 409: it does not go with what is there by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)

MEDIA_TYPE = "application/problem+json"

_CODES: tuple[tuple[type[OperationError], int], ...] = (
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (ConflictError, 409),
    (OperationError, 422),
)
_MOST_FAULTS = 50
_WORDS = {
    404: "There is nothing at this address: see /api/v1/openapi.json.",
    405: "This address does not take requests of this method.",
    413: "The request is too large.",
}


class Fault(BaseModel):
    """One field that is wrong."""

    field: str
    """Where it stands: names joined by dots."""
    reason: str


class Problem(BaseModel):
    """Problem details (RFC 9457 §3.1)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    faults: list[Fault] = []
    """Extension: the fields that are wrong."""


class ProblemError(Exception):
    """Answer with problem details."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        faults: list[Fault] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.faults = faults or []
        self.headers = dict(headers or {})


def problem(
    status: int,
    detail: str,
    *,
    faults: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer with problem details."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, faults=faults or []
    )
    return JSONResponse(
        body.model_dump(mode="json"),
        status,
        dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Let every error of an API be answered with problem details."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(OperationError, _on_operation)
    app.add_exception_handler(RequestValidationError, _on_fault)
    app.add_exception_handler(HTTPException, _on_http)


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's error answers."""
    return {
        code: {
            "description": HTTPStatus(code).phrase,
            "content": {
                MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
            },
        }
        for code in codes
    }


def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(error.status, str(error), faults=error.faults, headers=error.headers)


def _on_operation(_request: Request, error: Exception) -> Response:
    code = next(code for kind, code in _CODES if isinstance(error, kind))
    return problem(code, str(error))


def _on_fault(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()[:_MOST_FAULTS]
    # Never with the value that was given: it may be personal, and the answer may be logged.
    faults = [
        Fault(field=".".join(str(part) for part in one["loc"]), reason=str(one["msg"]))
        for one in found
    ]
    if found and all(one["loc"][:1] == ("path",) for one in found):
        return problem(404, "There is nothing at such an address.", faults=faults)
    return problem(400, "The request is not as this address wants it.", faults=faults)


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _WORDS.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # The framework names those of one function only.
        headers["Allow"] = ", ".join(_methods_at(request))
    return problem(error.status_code, detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    path = str(request.scope["path"]).removeprefix(request.scope.get("root_path", ""))
    found = {method for form, method in request.app.state.methods if form.match(path)}
    return sorted(found | ({"HEAD"} if "GET" in found else set()))
