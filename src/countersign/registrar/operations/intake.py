"""Payments as they come in: recorded once, and matched to invoices by reference (DESIGN §6).

What cannot be matched waits, unallocated, for a treasurer. Nothing that comes in is refused: it
is at the bank, whatever we think of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from countersign.registrar.money.amount import LARGEST, AmountError, format_amount, minor_digits
from countersign.registrar.money.reference import find_references
from countersign.registrar.operations.access import refuse_own_cause
from countersign.registrar.operations.invoices import outstanding
from countersign.registrar.operations.ledger import ledger_account, transfer
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ConflictError,
    OperationError,
    Work,
)
from countersign.registrar.operations.settling import put
from countersign.storage.database.money import (
    Invoice,
    InvoiceState,
    Payment,
    PaymentSource,
    Purpose,
    TransferKind,
)
from countersign.storage.database.once import insert_once
from countersign.storage.database.servers import Server

log = structlog.get_logger()

_MOST_REFERENCES = 20


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a payment that came in."""

    key: str
    """The bank's or provider's own key, or the treasurer's reference: counted once."""
    amount: int
    """In the currency's minor unit."""
    currency: str
    received_on: datetime.date
    text: str = ""
    """What the payer wrote: references of invoices are looked for in it."""
    payer: str = ""
    bank_reference: str = ""
    end_to_end_id: str = ""
    is_clear: bool = True
    """False: a person must look, whatever references are in it."""


def take_in(
    work: Work, actor: Actor, source: PaymentSource, receipt: Receipt
) -> tuple[Payment, bool]:
    """Record a payment, and match it; tells whether it is new.

    Raises :class:`ConflictError` if the key is known with another amount.
    """
    _check_receipt(receipt)
    key = insert_once(
        work.session,
        Payment,
        {
            "source": source,
            "external_key": receipt.key,
            "amount": receipt.amount,
            "currency": receipt.currency,
            "received_on": receipt.received_on,
            "note": receipt.text[:255],
            "payer": receipt.payer[:255],
            "bank_reference": receipt.bank_reference[:255],
            "end_to_end_id": receipt.end_to_end_id[:255],
            "recorded_at": work.now,
            "recorded_by": actor.account_id,
        },
    )
    if key is None:
        return _known(work, source, receipt), False
    payment = work.session.get_one(Payment, key)
    transfer(
        work,
        TransferKind.PAYMENT,
        debit=ledger_account(work, Purpose.BANK, payment.currency),
        credit=ledger_account(work, Purpose.UNALLOCATED, payment.currency),
        amount=payment.amount,
        reference=f"payment:{payment.id}",
        payment=payment,
        actor=actor,
    )
    work.record(actor, "payment recorded", f"payment:{payment.id}", source=str(source))
    if receipt.is_clear:
        _try_to_match(work, actor, payment, receipt.text)
    return payment, True


def _check_receipt(receipt: Receipt) -> None:
    if not 0 < receipt.amount <= LARGEST:
        raise OperationError("An amount of money must be above zero, and not larger than any is.")
    try:
        minor_digits(receipt.currency)
    except AmountError as error:
        raise OperationError(f"{error}.") from None
    if not 0 < len(receipt.key) <= 255 or not receipt.key.isprintable():
        raise OperationError("A payment needs a reference of 1 to 255 characters.")


def _known(work: Work, source: PaymentSource, receipt: Receipt) -> Payment:
    payment = work.session.scalars(
        select(Payment).where(Payment.source == source, Payment.external_key == receipt.key)
    ).one()
    if (payment.amount, payment.currency) != (receipt.amount, receipt.currency):
        raise ConflictError(
            f"A payment with this reference is recorded already, of "
            f"{format_amount(payment.amount, payment.currency)}."
        )
    return payment


def _try_to_match(work: Work, actor: Actor, payment: Payment, text: str) -> None:
    try:
        with work.session.begin_nested():
            _match(work, actor, payment, text)
    except OperationError as error:
        # The money is at the bank all the same: a treasurer sees it in the queue.
        log.warning("payment left unallocated", payment=payment.id, reason=str(error))


def _match(work: Work, actor: Actor, payment: Payment, text: str) -> None:
    """Put a payment to the invoices that it names, if it is plain how.

    One reference: as much as the invoice asks for; what is above stays unallocated. Several: only
    if they are open and come to exactly the amount that was paid. Staff's own servers: never, by
    what they record or import themselves.
    """
    numbers = find_references(text)
    if not 0 < len(numbers) <= _MOST_REFERENCES:
        return
    named, owed = [], []
    for server, invoice in _hold_invoices(work, numbers):
        refuse_own_cause(actor, server)
        amount = outstanding(work, invoice)
        if amount > 0 and invoice.currency == payment.currency:
            named.append(invoice)
            owed.append(amount)
    if len(named) < len(numbers) or (len(named) > 1 and sum(owed) != payment.amount):
        return
    for invoice, amount in zip(named, owed, strict=True):
        # Paying one invoice may have closed another.
        if invoice.state is InvoiceState.OPEN:
            put(work, SYSTEM, payment, invoice, amount=min(amount, payment.amount))


def _hold_invoices(work: Work, numbers: Sequence[int]) -> list[tuple[Server, Invoice]]:
    rows = work.session.execute(
        select(Server, Invoice)
        .join(Invoice, Invoice.server_id == Server.id)
        .where(Invoice.id.in_(numbers))
        .order_by(Server.id, Invoice.id)
    ).all()
    for server, invoice in rows:
        hold(work, server)
        hold(work, invoice)
    return [(server, invoice) for server, invoice in rows]
