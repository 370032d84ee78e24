"""The API's part for owners and agents: their servers and events."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import or_, select
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import Caller, office_of, server_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.problems import answers
from countersign.registrar.api.server_shapes import (
    Events,
    EventView,
    Servers,
    ServerView,
)
from countersign.registrar.api.shapes import Cursor, Key53, Limit
from countersign.registrar.queries.paging import after, bounded, latest_first, page_of, read_cursor
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope
from countersign.rules.roles import Role
from countersign.storage.database.servers import Server, ServerEvent

router = APIRouter(tags=["Servers"], route_class=GuardedRoute)


@router.get("/servers", response_model=Servers, responses=answers(304, 422))
@declare(token(Scope.READ_SERVERS))
def list_my_servers(
    request: Request,
    *,
    bearer: Caller,
    cursor: Cursor = None,
    limit: Limit = 30,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the servers that are yours, that you apply for as an agent, or administer."""
    mine = [Server.owner_id == bearer.account_id, Server.admin_contact_id == bearer.account_id]
    if Role.AGENT in bearer.roles:
        mine.append(Server.agent_id == bearer.account_id)
    statement = select(Server).where(or_(*mine)).order_by(Server.id)
    if bearer.server_id is not None:
        statement = statement.where(Server.id == bearer.server_id)
    if cursor is not None:
        statement = statement.where(after([Server.id], read_cursor(cursor, [int])))
    with office_of(request).reading() as work:
        rows = work.session.scalars(bounded(statement, limit)).all()
    page = page_of(rows, limit, lambda one: [one.id])
    items = [ServerView.of(server) for server in page.rows]
    return show(Servers(items=items, next=page.next), if_none_match)


@router.get("/servers/{server}", response_model=ServerView, responses=answers(304, 404))
@declare(token(Scope.READ_SERVERS))
def get_server(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """Get one server, with the next step in words."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_SERVER)
        view = ServerView.of(found)
    return show(view, if_none_match)


@router.get("/servers/{server}/events", response_model=Events, responses=answers(304, 404, 422))
@declare(token(Scope.READ_SERVERS))
def list_events(
    request: Request,
    server: Key53,
    *,
    bearer: Caller,
    cursor: Cursor = None,
    limit: Limit = 50,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List what happened to a server, the latest first."""
    of_server = select(ServerEvent).where(ServerEvent.server_id == server)
    statement = latest_first(of_server, ServerEvent.id, cursor)
    with office_of(request).reading() as work:
        server_of(work, bearer, server, Permission.SEE_SERVER)
        rows = work.session.scalars(bounded(statement, limit)).all()
    page = page_of(rows, limit, lambda one: [one.id])
    items = [EventView.model_validate(event) for event in page.rows]
    return show(Events(items=items, next=page.next), if_none_match)
