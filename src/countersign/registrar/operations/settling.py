"""Put money that came in to an invoice, and do what follows when it is paid (DESIGN §6)."""

from __future__ import annotations

from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.invoices import TARGETS, close, outstanding
from countersign.registrar.operations.ledger import ledger_account, transfer
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.offers import try_activate
from countersign.registrar.operations.office import SYSTEM, Actor, OperationError, Work
from countersign.registrar.operations.transitions import add_event
from countersign.rules.fees import paid_until
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
from countersign.storage.database.servers import Server

WORDS: dict[InvoiceKind, str] = {
    InvoiceKind.BOND: "security bond",
    InvoiceKind.FEE: "yearly fee",
    InvoiceKind.SPONSOR_SHARE: "sponsor's share",
}
"""What an invoice is for, to a person."""


def put(work: Work, actor: Actor, payment: Payment, invoice: Invoice, *, amount: int) -> Transfer:
    """Put an amount of a payment to an open invoice.

    Payment, invoice and the invoice's server are held (`locks.py`). Raises
    :class:`OperationError`.
    """
    server = work.session.get_one(Server, invoice.server_id)
    owed = outstanding(work, invoice)
    _check(payment, invoice, amount, owed)
    rest = owed - amount
    written = format_amount(amount, payment.currency)
    event = add_event(
        work,
        server,
        Happening.PAYMENT,
        actor,
        reason=f"{written} received for invoice {invoice.id} ({WORDS[invoice.kind]}): "
        + (f"{format_amount(rest, invoice.currency)} remain to be paid." if rest else "paid."),
        details={
            "invoice": invoice.id,
            "payment": payment.id,
            "amount": amount,
            "currency": payment.currency,
        },
    )
    purpose = TARGETS[invoice.kind]
    own = server.id if purpose in PER_SERVER else None
    entry = transfer(
        work,
        TransferKind.ALLOCATION,
        debit=ledger_account(work, Purpose.UNALLOCATED, payment.currency),
        credit=ledger_account(work, purpose, payment.currency, own),
        amount=amount,
        # The version counts every use of a payment, and so names this one.
        reference=f"allocation:{payment.id}:{payment.version}",
        server_id=server.id,
        invoice=invoice,
        payment=payment,
        event=event,
        actor=actor,
    )
    payment.allocated += amount
    if rest == 0:
        close(work, invoice, InvoiceState.PAID)
        if invoice.kind is InvoiceKind.FEE:
            _extend(work, server, invoice, payment)
    work.session.flush()
    notify_of_event(work, server, event)
    try_activate(work, server)
    return entry


def _check(payment: Payment, invoice: Invoice, amount: int, owed: int) -> None:
    if invoice.state is not InvoiceState.OPEN:
        raise OperationError(f"Invoice {invoice.id} is {invoice.state}: nothing is to be paid.")
    if invoice.currency != payment.currency:
        raise OperationError(
            f"Invoice {invoice.id} is in {invoice.currency}, the payment in {payment.currency}."
        )
    if amount <= 0:
        raise OperationError("An amount of money must be above zero.")
    left = payment.amount - payment.allocated
    if amount > left:
        raise OperationError(f"Only {format_amount(left, payment.currency)} of it are left.")
    if amount > owed:
        raise OperationError(
            f"Only {format_amount(owed, invoice.currency)} are owed on invoice {invoice.id}."
        )


def _extend(work: Work, server: Server, invoice: Invoice, payment: Payment) -> None:
    """Count the year that was paid for from the day on which the money came in.

    From later, if it came in so long ago that the year would be over already.
    """
    before = server.fee_paid_until
    until = max(paid_until(before, min(payment.received_on, work.today)), work.today)
    server.fee_paid_until, server.fee_reminder = until, None
    add_event(
        work,
        server,
        Happening.FEE_PAID,
        SYSTEM,
        reason=f"The yearly fee is paid until {until}.",
        details={
            "invoice": invoice.id,
            "before": before.isoformat() if before else None,
            "until": until.isoformat(),
        },
    )
