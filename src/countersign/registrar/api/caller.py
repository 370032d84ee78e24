"""Who calls: the bearer of a token (RFC 6750), and what the token allows."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from countersign.registrar.api.problems import ProblemError
from countersign.registrar.operations import api_tokens
from countersign.registrar.operations.access import server_for
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.office import Actor, NotFoundError, Office, Work
from countersign.registrar.web.access import Access, Kind
from countersign.rules.access import Permission, Scope
from countersign.storage.database.servers import Server

ANY_TOKEN = Access(Kind.TOKEN)
"""Programs with any good token, whatever its scopes."""
_CHALLENGE = 'Bearer realm="registrar"'


def office_of(request: Request) -> Office:
    """Return the office that the API works on."""
    office = request.app.state.office
    assert isinstance(office, Office)
    return office


def admit(request: Request, scope: Scope | None) -> Bearer:
    """Return whose token a request has, and note that the token is in use.

    Raises :class:`ProblemError`: 401 without a good token, 403 if it lacks the scope.
    """
    token = _token_of(request)
    if token is None:
        raise ProblemError(
            401,
            "Send a token: 'Authorization: Bearer csr_…'.",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    office = office_of(request)
    with office.reading() as work:
        bearer = api_tokens.authenticate(work, token)
        stale = bearer is not None and api_tokens.needs_touch(work, bearer)
    if bearer is None:
        raise ProblemError(
            401,
            "This token is unknown, revoked or out of date.",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
        )
    if scope is not None and scope not in bearer.scopes:
        raise ProblemError(
            403,
            f"This token lacks the scope {scope}.",
            headers={
                "WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'
            },
        )
    if stale:
        with office.work() as work:
            api_tokens.touch(work, bearer)
    return bearer


def _token_of(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" and token else None


def _bearer(request: Request) -> Bearer:
    found = request.state.bearer
    assert isinstance(found, Bearer)
    return found


Caller = Annotated[Bearer, Depends(_bearer)]
"""Who calls a route that is declared with `token(…)`: see `guarding.py`."""


def server_of(
    work: Work, bearer: Bearer, server_id: int, permission: Permission
) -> tuple[Server, Actor]:
    """Return a server that the bearer may do something with, and as whom.

    Raises :class:`NotFoundError` for strangers, and for a token that is good for another
    server; :class:`ForbiddenError` for those who may look only.
    """
    if bearer.server_id is not None and bearer.server_id != server_id:
        raise NotFoundError("There is no such server.")
    return server_for(work, bearer.account_id, bearer.roles, server_id, permission)
