"""The API's part for owners and agents: their servers, events, tests, invoices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import or_, select
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, Key, change, show
from countersign.registrar.api.caller import bearer_with, office_of, server_of
from countersign.registrar.api.problems import answers
from countersign.registrar.api.public import Cursor, Limit
from countersign.registrar.api.server_shapes import (
    Events,
    EventView,
    Invoices,
    InvoiceView,
    Servers,
    ServerView,
    Tests,
    TestView,
)
from countersign.registrar.money.reference import make_reference
from countersign.registrar.operations import certifications
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import after, bounded, page_of, read_cursor
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope
from countersign.rules.roles import Role
from countersign.storage.database.money import Invoice
from countersign.storage.database.servers import Server, ServerEvent, TestRun

router = APIRouter(tags=["Servers"])

ServerKey = Annotated[int, Path(ge=1, lt=2**53)]
Reader = Annotated[Bearer, Depends(bearer_with(Scope.READ_SERVERS))]
Writer = Annotated[Bearer, Depends(bearer_with(Scope.WRITE_SERVERS))]
_MoneyReader = Annotated[Bearer, Depends(bearer_with(Scope.READ_MONEY))]
ERRORS = answers(401, 403, 404, 422)
_MOST = 100


@router.get("/servers", response_model=Servers, responses=answers(304, 401, 403, 422))
@declare(token(Scope.READ_SERVERS))
def list_my_servers(
    request: Request,
    *,
    bearer: Reader,
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


@router.get("/servers/{server}", response_model=ServerView, responses={**ERRORS, **answers(304)})
@declare(token(Scope.READ_SERVERS))
def get_server(
    request: Request, server: ServerKey, *, bearer: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """Get one server, with the next step in words."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_SERVER)
        view = ServerView.of(found)
    return show(view, if_none_match)


@router.get("/servers/{server}/events", response_model=Events, responses=ERRORS)
@declare(token(Scope.READ_SERVERS))
def list_events(
    request: Request,
    server: ServerKey,
    *,
    bearer: Reader,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List what happened to a server, the latest first."""
    statement = (
        select(ServerEvent).where(ServerEvent.server_id == server).order_by(ServerEvent.id.desc())
    )
    if cursor is not None:
        key = read_cursor(cursor, [int])
        statement = statement.where(after([ServerEvent.id], key, descending=True))
    with office_of(request).reading() as work:
        server_of(work, bearer, server, Permission.SEE_SERVER)
        rows = work.session.scalars(bounded(statement, limit)).all()
    page = page_of(rows, limit, lambda one: [one.id])
    items = [EventView.model_validate(event) for event in page.rows]
    return show(Events(items=items, next=page.next))


@router.get("/servers/{server}/invoices", response_model=Invoices, responses=ERRORS)
@declare(token(Scope.READ_MONEY))
def list_invoices(request: Request, server: ServerKey, *, bearer: _MoneyReader) -> Response:
    """List the invoices of a server, the latest first."""
    statement = (
        select(Invoice).where(Invoice.server_id == server).order_by(Invoice.id.desc()).limit(_MOST)
    )
    with office_of(request).reading() as work:
        server_of(work, bearer, server, Permission.SEE_MONEY)
        items = [_invoice(row) for row in work.session.scalars(statement)]
    return show(Invoices(items=items))


def _invoice(row: Invoice) -> InvoiceView:
    return InvoiceView(
        id=row.id,
        kind=row.kind,
        state=row.state,
        amount=row.amount,
        currency=row.currency,
        reference=make_reference(row.id),
        issued_at=row.issued_at,
        due_on=row.due_on,
    )


@router.get("/servers/{server}/tests", response_model=Tests, responses=ERRORS)
@declare(token(Scope.READ_SERVERS))
def list_tests(request: Request, server: ServerKey, *, bearer: Reader) -> Response:
    """List the relay tests of a server with their transcripts, the latest first."""
    statement = (
        select(TestRun).where(TestRun.server_id == server).order_by(TestRun.id.desc()).limit(20)
    )
    with office_of(request).reading() as work:
        server_of(work, bearer, server, Permission.SEE_SERVER)
        items = [TestView.model_validate(run) for run in work.session.scalars(statement)]
    return show(Tests(items=items))


@router.post(
    "/servers/{server}/tests",
    response_model=TestView,
    status_code=202,
    responses={**ERRORS, **answers(409)},
)
@declare(token(Scope.WRITE_SERVERS))
def ask_for_test(
    request: Request, server: ServerKey, *, bearer: Writer, key: Key = None
) -> Response:
    """Ask for a relay test; it is made within minutes."""

    def ask(work: Work) -> TestView:
        found, actor = server_of(work, bearer, server, Permission.ASK_TEST)
        return TestView.model_validate(certifications.ask_again(work, actor, found))

    return change(request, bearer, key, b"", ask, status=202)
