"""Undo what was done with a payment: a treasurer's mistake, or the bank that takes it back.

What the money was put to gives it up again: invoices are open again, and what they were for is
missing. What has been forfeited or paid out in the meantime is lost if the bank takes it back; if
that is all of a payment, a treasurer books the debit as a loss.
"""

from __future__ import annotations

import datetime

from dateutil.relativedelta import relativedelta
from sqlalchemy import select

from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.access import refuse_own_cause, require
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.invoices import TARGETS, open_invoice, paid_on
from countersign.registrar.operations.ledger import (
    bond_held,
    ledger_account,
    refund_due,
    transfer,
)
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.offers import review
from countersign.registrar.operations.office import Actor, OperationError, Work
from countersign.registrar.operations.payments import hold_payment
from countersign.registrar.operations.transitions import add_event
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, PUBLISHED
from countersign.storage.database.money import (
    PER_SERVER,
    Invoice,
    InvoiceKind,
    InvoiceState,
    Payment,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.servers import Server, ServerEvent


def take_back(
    work: Work, actor: Actor, payment: Payment, reason: str, *, seen_version: int | None = None
) -> Transfer:
    """Take a whole payment back: the bank has, or it was recorded twice.

    Raises :class:`OperationError` if that is not possible any more: then it is a loss.
    """
    require(actor, Permission.MOVE_MONEY)
    hold_payment(work, payment, seen_version)
    if payment.taken_back_at is not None:
        raise OperationError("This payment has been taken back already.")
    lost = sum(
        _undo(work, actor, payment, allocation, reason, may_lose=True)
        for allocation in sorted(
            standing_allocations(work, payment), key=lambda one: (one.server_id or 0, one.id)
        )
    )
    if lost == payment.amount:
        raise OperationError("All of this payment has been forfeited, or paid out, already.")
    if payment.allocated:
        raise OperationError("Some of this payment was given back to the payer already.")
    entry = transfer(
        work,
        TransferKind.REVERSAL,
        debit=ledger_account(work, Purpose.UNALLOCATED, payment.currency),
        credit=ledger_account(work, Purpose.BANK, payment.currency),
        amount=payment.amount,
        reference=f"take-back:{payment.id}",
        payment=payment,
        actor=actor,
    )
    payment.allocated, payment.taken_back_at = payment.amount, work.now
    work.record(actor, "payment taken back", f"payment:{payment.id}", reason=reason[:255])
    work.session.flush()
    return entry


def deallocate(
    work: Work,
    actor: Actor,
    payment: Payment,
    allocation: Transfer,
    reason: str,
    *,
    seen_version: int | None = None,
) -> None:
    """Take money from the invoice that it was put to by mistake; it is unallocated again."""
    require(actor, Permission.MOVE_MONEY)
    if not reason.strip():
        raise OperationError("Say why: the owner is told.")
    hold_payment(work, payment, seen_version)
    if allocation.id not in [one.id for one in standing_allocations(work, payment)]:
        raise OperationError("This has been undone already.")
    _undo(work, actor, payment, allocation, reason)


def standing_allocations(work: Work, payment: Payment) -> list[Transfer]:
    """Return the allocations of a payment that have not been undone."""
    entries = work.session.scalars(
        select(Transfer).where(Transfer.payment_id == payment.id).order_by(Transfer.id)
    ).all()
    undone = {entry.reference.split(":")[1] for entry in entries if _undoes(entry)}
    return [
        entry
        for entry in entries
        if entry.kind is TransferKind.ALLOCATION and str(entry.id) not in undone
    ]


def _undoes(entry: Transfer) -> bool:
    return entry.kind is TransferKind.REVERSAL and entry.reference.startswith("undo:")


def _undo(
    work: Work,
    actor: Actor,
    payment: Payment,
    allocation: Transfer,
    reason: str,
    *,
    may_lose: bool = False,
) -> int:
    """Undo an allocation; returns what is lost. Raises :class:`OperationError` if none may."""
    invoice = work.session.get_one(Invoice, allocation.invoice_id)
    server = work.session.get_one(Server, invoice.server_id)
    refuse_own_cause(actor, server)
    hold(work, server)
    hold(work, invoice)
    amount = allocation.amount
    sources = _sources(work, server, invoice, amount)
    lost = sources.get(Purpose.CHARGES, 0)
    if lost and not may_lose:
        raise OperationError(
            f"What was paid on invoice {invoice.id} has been forfeited, or paid out, already."
        )
    written = format_amount(amount, payment.currency)
    loss = (
        f" {format_amount(lost, payment.currency)} of it had been forfeited or paid out already:"
        " they are the registrar's loss."
        if lost
        else ""
    )
    event = add_event(
        work,
        server,
        Happening.PAYMENT_TAKEN_BACK,
        actor,
        reason=f"{written} paid on invoice {invoice.id} were taken back.{loss} {reason}"[:1000],
        details={
            "invoice": invoice.id,
            "payment": payment.id,
            "amount": amount,
            "currency": payment.currency,
            **({"lost": lost} if lost else {}),
        },
    )
    for purpose, part in sources.items():
        transfer(
            work,
            TransferKind.REVERSAL,
            debit=ledger_account(
                work, purpose, payment.currency, server.id if purpose in PER_SERVER else None
            ),
            credit=ledger_account(work, Purpose.UNALLOCATED, payment.currency),
            amount=part,
            reference=f"undo:{allocation.id}:{purpose}",
            # A loss is the registrar's, and no entry of the owner's statement.
            server_id=None if purpose is Purpose.CHARGES else server.id,
            invoice=invoice,
            payment=payment,
            event=event,
            actor=actor,
        )
    payment.allocated -= amount
    # What a server owes as a sponsor it owes after its end too.
    if server.state not in ENDED or invoice.kind is InvoiceKind.SPONSOR_SHARE:
        _ask_again(work, server, invoice)
    work.session.flush()
    notify_of_event(work, server, event)
    review(work, server)
    return lost


def _sources(work: Work, server: Server, invoice: Invoice, amount: int) -> dict[Purpose, int]:
    """Return from where money is taken back that was paid on an invoice.

    CHARGES: what is not there any more.
    """
    target = TARGETS[invoice.kind]
    there = paid_on(work, invoice)
    if target is Purpose.BOND_HELD:
        there = min(amount, bond_held(work, server.id, invoice.currency))
    there = min(there, amount)
    set_aside = min(amount - there, refund_due(work, server.id, invoice.currency))
    parts = {
        target: there,
        Purpose.REFUND_DUE: set_aside,
        Purpose.CHARGES: amount - there - set_aside,
    }
    return {purpose: part for purpose, part in parts.items() if part > 0}


def _ask_again(work: Work, server: Server, invoice: Invoice) -> None:
    """Open a paid invoice again, or leave it to the one that has taken its place."""
    soon = work.today + datetime.timedelta(days=work.config.money.reply_days)
    if invoice.state is InvoiceState.PAID:
        if invoice.kind is InvoiceKind.FEE:
            _shorten(work, server, invoice, soon)
        replaced = (
            invoice.kind is not InvoiceKind.SPONSOR_SHARE
            and open_invoice(work, server, invoice.kind) is not None
        )
        invoice.state = InvoiceState.CANCELLED if replaced else InvoiceState.OPEN
        invoice.settled_at = work.now if replaced else None
        invoice.due_on = max(invoice.due_on, soon)


def _shorten(work: Work, server: Server, invoice: Invoice, soon: datetime.date) -> None:
    """Take the year back that an invoice paid for; who may send is given time to pay again."""
    if server.fee_paid_until is None:
        return
    paid = next(
        (
            event.details
            for event in work.session.scalars(
                select(ServerEvent)
                .where(
                    ServerEvent.server_id == server.id,
                    ServerEvent.action == Happening.FEE_PAID,
                )
                .order_by(ServerEvent.id.desc())
            )
            if event.details.get("invoice") == invoice.id
        ),
        None,
    )
    until: datetime.date | None = server.fee_paid_until - relativedelta(years=1)
    if paid is not None and paid["until"] == server.fee_paid_until.isoformat():
        before = paid["before"]
        until = datetime.date.fromisoformat(before) if before else None
    if server.state in PUBLISHED:
        until = max(until or soon, soon)
    server.fee_paid_until, server.fee_reminder = until, None
