"""What is owed and overdue: a bond that has become due again, a sponsor's share (DESIGN §6)."""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.offers import review
from countersign.registrar.operations.office import Office, Work
from countersign.registrar.operations.one_by_one import Tally, each_server
from countersign.registrar.operations.sanctions import suspend_at_once
from countersign.registrar.operations.settling import WORDS
from countersign.rules.life_cycle import State
from countersign.storage.database.money import Invoice, InvoiceKind, InvoiceState
from countersign.storage.database.servers import Server

_DEBTS = (InvoiceKind.BOND, InvoiceKind.SPONSOR_SHARE)


def suspend_debtors(office: Office) -> Tally:
    """Suspend active servers that have not paid in time (contract, section 9.1).

    For every day; may be repeated. Payment lifts the suspension by itself.
    """
    today = office.clock().date()
    owing = select(Invoice.server_id).where(
        Invoice.state == InvoiceState.OPEN,
        Invoice.due_on < today,
        Invoice.kind.in_(_DEBTS),
    )
    conditions = (Server.state == State.ACTIVE, Server.id.in_(owing))
    return each_server(office, conditions, Server.id, _suspend)


def _suspend(work: Work, server: Server) -> bool:
    # The bond may be due no more, for a reason that nobody has looked at yet.
    review(work, server)
    overdue = work.session.scalars(
        select(Invoice)
        .where(
            Invoice.server_id == server.id,
            Invoice.state == InvoiceState.OPEN,
            Invoice.due_on < work.today,
            Invoice.kind.in_(_DEBTS),
        )
        .order_by(Invoice.id)
    ).all()
    if not overdue:
        return False
    owed = ", ".join(
        f"invoice {one.id} of {format_amount(one.amount, one.currency)} ({WORDS[one.kind]})"
        for one in overdue
    )
    suspend_at_once(
        work,
        server,
        reason=f"Not paid in time: {owed}. The suspension ends when it is paid."[:1000],
        public_reason="a payment to the registrar is overdue",
    )
    return True
