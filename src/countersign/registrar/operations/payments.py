"""Payments as treasurers work with them: recorded by hand, put to invoices, given back.

Two who use the same payment at once: one wins, the other is told what is left (DESIGN §6).
"""

from __future__ import annotations

import datetime

from sqlalchemy import select

from countersign.registrar.money.amount import format_amount
from countersign.registrar.money.webhook import PaymentNotice
from countersign.registrar.operations.access import refuse_own_cause, require
from countersign.registrar.operations.intake import Receipt, take_in
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
from countersign.rules.access import Permission
from countersign.storage.database.money import (
    Invoice,
    Payment,
    PaymentSource,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.servers import Server

_OLDEST = datetime.timedelta(days=3 * 366)


def record(work: Work, actor: Actor, receipt: Receipt) -> Payment:
    """Record a payment by hand. The same key again returns the payment that is there.

    Raises :class:`OperationError` for amounts and days that cannot be.
    """
    require(actor, Permission.MOVE_MONEY)
    if not work.today - _OLDEST <= receipt.received_on <= work.today + datetime.timedelta(days=1):
        raise OperationError("The day of the payment is in the future, or too long ago.")
    return take_in(work, actor, PaymentSource.TREASURER, receipt)[0]


def record_notice(work: Work, notice: PaymentNotice) -> Payment:
    """Record a payment that the payment provider has told of, once for each payment."""
    receipt = Receipt(
        key=notice.payment,
        amount=notice.amount,
        currency=notice.currency,
        received_on=notice.paid_at.astimezone(datetime.UTC).date(),
        text=notice.reference,
    )
    return take_in(work, SYSTEM, PaymentSource.PROVIDER, receipt)[0]


def allocate(
    work: Work,
    actor: Actor,
    payment: Payment,
    invoice: Invoice,
    amount: int,
    *,
    seen_version: int | None = None,
) -> Transfer:
    """Put an amount of a payment to an invoice, by a treasurer.

    Raises :class:`ConflictError` if somebody else has used the payment since it was seen, and
    :class:`OperationError` for more than there is, or than is owed.
    """
    require(actor, Permission.MOVE_MONEY)
    hold_payment(work, payment, seen_version)
    server = work.session.get_one(Server, invoice.server_id)
    refuse_own_cause(actor, server)
    hold(work, server)
    hold(work, invoice)
    return put(work, actor, payment, invoice, amount=amount)


def give_back(
    work: Work,
    actor: Actor,
    payment: Payment,
    amount: int,
    bank_reference: str,
    *,
    seen_version: int | None = None,
) -> Transfer:
    """Record that some of a payment, which is for nothing, was sent back to the payer.

    bank_reference: of the transfer that sent it; good once.
    """
    require(actor, Permission.MOVE_MONEY)
    hold_payment(work, payment, seen_version)
    left = payment.amount - payment.allocated
    if not 0 < amount <= left:
        raise OperationError(f"Only {format_amount(left, payment.currency)} of it are left.")
    entry = transfer(
        work,
        TransferKind.PAYOUT,
        debit=ledger_account(work, Purpose.UNALLOCATED, payment.currency),
        credit=ledger_account(work, Purpose.BANK, payment.currency),
        amount=amount,
        reference=payout_reference(work, bank_reference),
        payment=payment,
        actor=actor,
    )
    payment.allocated += amount
    work.record(actor, "payment given back", f"payment:{payment.id}", amount=amount)
    work.session.flush()
    return entry


def payout_reference(work: Work, bank_reference: str) -> str:
    """Return the ledger's reference of a payout. Raises :class:`OperationError` if it is used."""
    text = bank_reference.strip()
    if not 0 < len(text) <= 200 or not text.isprintable():
        raise OperationError("A payout needs the bank's reference, of 1 to 200 characters.")
    reference = f"payout:{text}"
    if work.session.scalar(select(Transfer.id).where(Transfer.reference == reference)):
        raise OperationError("A payout with this reference is recorded already.")
    return reference


def hold_payment(work: Work, payment: Payment, seen_version: int | None) -> None:
    """Hold a payment for use. Raises :class:`ConflictError` if it changed since it was seen."""
    hold(work, payment)
    if seen_version is not None and payment.version != seen_version:
        left = format_amount(payment.amount - payment.allocated, payment.currency)
        raise ConflictError(
            f"Somebody else has used this payment in the meantime: {left} of it are left."
        )


def unallocated(work: Work, *, after: int = 0, limit: int = 50) -> list[Payment]:
    """Return payments of which something waits for a treasurer, the oldest first."""
    return list(
        work.session.scalars(
            select(Payment)
            .where(Payment.allocated < Payment.amount, Payment.id > after)
            .order_by(Payment.id)
            .limit(limit)
        )
    )


def recent(work: Work, *, before: int | None = None, limit: int = 50) -> list[Payment]:
    """Return payments, the latest first; before: a key that they come before."""
    statement = select(Payment).order_by(Payment.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(Payment.id < before)
    return list(work.session.scalars(statement))
