"""The API's part for gateways: privileged users, keys, traps."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import Caller, office_of, server_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.holding_shapes import (
    Keys,
    KeyView,
    NewKey,
    NewUser,
    Traps,
    TrapView,
    Users,
    UserView,
)
from countersign.registrar.api.idempotency import Key, change
from countersign.registrar.api.problems import answers
from countersign.registrar.api.shapes import Cursor, Key53, Limit
from countersign.registrar.documents.text import Kind, current
from countersign.registrar.operations import holdings, server_keys, traps
from countersign.registrar.operations.office import Work
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope

router = APIRouter(tags=["Gateways"], route_class=GuardedRoute)
_CHANGED = answers(404, 409, 422)


@router.get(
    "/servers/{server}/privileged-users", response_model=Users, responses=answers(304, 404, 422)
)
@declare(token(Scope.READ_HOLDINGS))
def list_users(
    request: Request,
    server: Key53,
    *,
    bearer: Caller,
    cursor: Cursor = None,
    limit: Limit = 50,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the privileged users of a server."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_HOLDINGS)
        page = holdings.users_of(work, found, cursor=cursor, limit=limit)
    items = [UserView.model_validate(row) for row in page.rows]
    return show(Users(items=items, next=page.next), if_none_match)


@router.post(
    "/servers/{server}/privileged-users",
    response_model=UserView,
    status_code=201,
    responses=_CHANGED,
)
@declare(token(Scope.WRITE_HOLDINGS))
def register_user(
    request: Request, server: Key53, wanted: NewUser, *, bearer: Caller, key: Key = None
) -> Response:
    """Register a privileged user."""

    def register(work: Work) -> UserView:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        user = holdings.register_user(
            work,
            actor,
            found,
            identifier=wanted.identifier,
            agreement_version=wanted.agreement_version or current(Kind.PRIVILEGED_USER_AGREEMENT),
            accepted_on=wanted.accepted_on,
        )
        return UserView.model_validate(user)

    return change(request, bearer, key, register, status=201)


@router.delete("/servers/{server}/privileged-users/{user}", status_code=204, responses=_CHANGED)
@declare(token(Scope.WRITE_HOLDINGS))
def revoke_user(
    request: Request, server: Key53, user: Key53, *, bearer: Caller, key: Key = None
) -> Response:
    """End a user's privilege."""

    def revoke(work: Work) -> None:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        holdings.revoke_user(work, actor, found, user)

    return change(request, bearer, key, revoke)


@router.get("/servers/{server}/keys", response_model=Keys, responses=answers(304, 404))
@declare(token(Scope.READ_HOLDINGS))
def list_keys(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """List the keys of a server that are in use."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_HOLDINGS)
        rows = server_keys.keys_of(work, found)
    items = [KeyView.model_validate(row) for row in rows]
    return show(Keys(items=items), if_none_match)


@router.post("/servers/{server}/keys", response_model=KeyView, status_code=201, responses=_CHANGED)
@declare(token(Scope.WRITE_HOLDINGS))
def register_key(
    request: Request, server: Key53, wanted: NewKey, *, bearer: Caller, key: Key = None
) -> Response:
    """Register a key; it is published at once."""

    def register(work: Work) -> KeyView:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        row = server_keys.register_key(
            work, actor, found, wanted.purpose, content=wanted.content, selector=wanted.selector
        )
        return KeyView.model_validate(row)

    return change(request, bearer, key, register, status=201)


@router.delete("/servers/{server}/keys/{number}", status_code=204, responses=_CHANGED)
@declare(token(Scope.WRITE_HOLDINGS))
def revoke_key(
    request: Request, server: Key53, number: Key53, *, bearer: Caller, key: Key = None
) -> Response:
    """Revoke a key; this is published at once."""

    def revoke(work: Work) -> None:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        server_keys.revoke_key(work, actor, found, number)

    return change(request, bearer, key, revoke)


@router.get("/servers/{server}/traps", response_model=Traps, responses=answers(304, 404))
@declare(token(Scope.READ_HOLDINGS))
def list_traps(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """List the traps that the gateway must accept mail for."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_HOLDINGS)
        rows = traps.traps_of(work, found)
    items = [TrapView.model_validate(row) for row in rows]
    return show(Traps(items=items), if_none_match)
