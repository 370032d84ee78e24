"""Who calls: the bearer of a token (RFC 6750), and what the token allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from countersign.registrar.api.problems import ProblemError
from countersign.registrar.operations import api_tokens
from countersign.registrar.operations.access import server_for
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.office import Actor, NotFoundError, Office, Work
from countersign.rules.access import Permission, Scope
from countersign.storage.database.servers import Server

_scheme = HTTPBearer(
    auto_error=False, description="A token made on the page 'Account and security'."
)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="registrar"'}


def office_of(request: Request) -> Office:
    """Return the office that the API works on."""
    office = request.app.state.office
    assert isinstance(office, Office)
    return office


def bearer_with(scope: Scope) -> Callable[..., Bearer]:
    """Return a dependency that wants a token with a scope."""

    def find(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)],
    ) -> Bearer:
        if given is None:
            raise ProblemError(401, "Send a token: Authorization: Bearer …", headers=_CHALLENGE)
        office = office_of(request)
        with office.reading() as work:
            bearer = api_tokens.authenticate(work, given.credentials)
            stale = bearer is not None and api_tokens.needs_touch(work, bearer)
        if bearer is None:
            raise ProblemError(
                401,
                "This token is unknown, revoked or out of date.",
                headers={"WWW-Authenticate": 'Bearer realm="registrar", error="invalid_token"'},
            )
        if scope not in bearer.scopes:
            raise ProblemError(
                403,
                f"This token lacks the scope {scope}.",
                headers={
                    "WWW-Authenticate": 'Bearer realm="registrar", error="insufficient_scope", '
                    f'scope="{scope}"'
                },
            )
        if stale:
            with office.work() as work:
                api_tokens.touch(work, bearer)
        return bearer

    return find


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
