"""The API's part for what a server costs: its bond, its fee, its invoices."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import Caller, office_of, server_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.problems import answers
from countersign.registrar.api.shapes import Cursor, Key53, Limit, Shape
from countersign.registrar.money.reference import make_reference
from countersign.registrar.operations.invoices import outstanding
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import bounded, latest_first, page_of
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope
from countersign.storage.database.money import Invoice, InvoiceKind, InvoiceState

router = APIRouter(tags=["Money"], route_class=GuardedRoute)


class Dues(Shape):
    """What is asked of a server, and what is there. Amounts in the currency's minor unit."""

    currency: str
    """ISO 4217; empty: no offer has been made yet."""
    bond_due: int
    bond_held: int
    bond_reasons: list[str]
    """Why the bond is as it is."""
    fee_paid_until: datetime.date | None
    offer_ends_on: datetime.date | None


class InvoiceView(Shape):
    """A demand for money. Amounts in the currency's minor unit."""

    id: int
    kind: InvoiceKind
    state: InvoiceState
    amount: int
    outstanding: int
    """What is still to be paid."""
    currency: str
    reference: str
    """To be quoted with the payment (ISO 11649)."""
    issued_at: datetime.datetime
    due_on: datetime.date

    @classmethod
    def of(cls, work: Work, row: Invoice) -> InvoiceView:
        """Return the view of a row."""
        return cls(
            id=row.id,
            kind=row.kind,
            state=row.state,
            amount=row.amount,
            outstanding=outstanding(work, row),
            currency=row.currency,
            reference=make_reference(row.id),
            issued_at=row.issued_at,
            due_on=row.due_on,
        )


class Invoices(Shape):
    """Invoices of a server, the latest first."""

    items: list[InvoiceView]
    next: str | None


@router.get("/servers/{server}/dues", response_model=Dues, responses=answers(304, 404))
@declare(token(Scope.READ_MONEY))
def get_dues(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """Get the bond that is due and held, and how long the fee is paid."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_MONEY)
        dues = Dues(
            currency=found.bond_currency,
            bond_due=found.bond_due,
            bond_held=bond_held(work, found.id, found.bond_currency),
            bond_reasons=found.bond_reasons,
            fee_paid_until=found.fee_paid_until,
            offer_ends_on=found.offer_ends_on,
        )
    return show(dues, if_none_match)


@router.get("/servers/{server}/invoices", response_model=Invoices, responses=answers(304, 404, 422))
@declare(token(Scope.READ_MONEY))
def list_invoices(
    request: Request,
    server: Key53,
    *,
    bearer: Caller,
    cursor: Cursor = None,
    limit: Limit = 20,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the invoices of a server, the latest first."""
    of_server = select(Invoice).where(Invoice.server_id == server)
    statement = latest_first(of_server, Invoice.id, cursor)
    with office_of(request).reading() as work:
        server_of(work, bearer, server, Permission.SEE_MONEY)
        rows = work.session.scalars(bounded(statement, limit)).all()
        page = page_of(rows, limit, lambda one: [one.id])
        items = [InvoiceView.of(work, row) for row in page.rows]
    return show(Invoices(items=items, next=page.next), if_none_match)
