"""Debits on bank statements, brought together with the ledger, so that both say the same.

A debit is a payout that was recorded, a payment that the bank took back, or the bank's charge.
What is not plain waits for a treasurer.
"""

from __future__ import annotations

from sqlalchemy import exists, or_, select

from countersign.registrar.money.statement_entry import Transaction
from countersign.registrar.operations.access import require
from countersign.registrar.operations.ledger import ledger_account, transfer
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import Actor, ConflictError, OperationError, Work
from countersign.registrar.operations.payments import hold_payment
from countersign.registrar.operations.taking_back import take_back
from countersign.rules.access import Permission
from countersign.storage.database.money import (
    BankDebit,
    DebitState,
    Payment,
    PaymentSource,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.once import insert_once


def take_in_debit(work: Work, actor: Actor, one: Transaction) -> BankDebit | None:
    """Note a debit, and settle it if it is plain what it is; None: it is known already."""
    key = insert_once(
        work.session,
        BankDebit,
        {
            "external_key": one.key,
            "amount": one.amount,
            "currency": one.currency,
            "booked_on": one.booked_on,
            "note": one.text[:255],
            "payee": one.counterparty[:255],
            "bank_reference": one.bank_reference[:255],
            "end_to_end_id": one.end_to_end_id[:255],
            "is_reversal": one.is_reversal or one.is_returned,
            "state": DebitState.OPEN,
        },
    )
    if key is None:
        return None
    debit = work.session.get_one(BankDebit, key)
    payout = _payout_of(work, debit)
    if payout is not None:
        _settle(work, actor, debit, DebitState.PAYOUT, payout)
    elif debit.is_reversal and (payment := _payment_of(work, debit)) is not None:
        _try_reversal(work, actor, debit, payment)
    return debit


def _payout_of(work: Work, debit: BankDebit) -> Transfer | None:
    """Return the payout that a debit is, by the reference that we gave the bank."""
    names = [name for name in (debit.end_to_end_id, debit.bank_reference) if name]
    payout = work.session.scalar(
        select(Transfer).where(Transfer.reference.in_([f"payout:{name}" for name in names]))
    )
    return payout if payout is not None and _fits(work, debit, payout) else None


def _payment_of(work: Work, debit: BankDebit) -> Payment | None:
    """Return the one payment that the bank can mean by a reversal."""
    same = []
    if debit.bank_reference:
        same.append(Payment.bank_reference == debit.bank_reference)
    if debit.end_to_end_id:
        same.append(Payment.end_to_end_id == debit.end_to_end_id)
    if not same:
        return None
    found = work.session.scalars(
        select(Payment)
        .where(
            Payment.source == PaymentSource.STATEMENT,
            Payment.amount == debit.amount,
            Payment.currency == debit.currency,
            Payment.taken_back_at.is_(None),
            or_(*same),
        )
        .limit(2)
    ).all()
    return found[0] if len(found) == 1 else None


def _try_reversal(work: Work, actor: Actor, debit: BankDebit, payment: Payment) -> None:
    try:
        with work.session.begin_nested():
            entry = take_back(work, actor, payment, "The bank took the payment back.")
    except OperationError:
        # Forfeited or paid out in the meantime: a treasurer sees it in the queue.
        return
    _settle(work, actor, debit, DebitState.REVERSAL, entry)


def open_debits(work: Work, *, after: int = 0, limit: int = 50) -> list[BankDebit]:
    """Return the debits that wait for a treasurer, the oldest first."""
    return list(
        work.session.scalars(
            select(BankDebit)
            .where(BankDebit.state == DebitState.OPEN, BankDebit.id > after)
            .order_by(BankDebit.id)
            .limit(limit)
        )
    )


def settle_as_payout(
    work: Work, actor: Actor, debit: BankDebit, payout: Transfer, *, seen_version: int | None = None
) -> None:
    """Say that a debit is a payout which was recorded."""
    _hold_open(work, actor, debit, seen_version)
    if not _fits(work, debit, payout):
        raise OperationError("The payout is of another amount, or another debit's.")
    _settle(work, actor, debit, DebitState.PAYOUT, payout)


def settle_as_reversal(
    work: Work, actor: Actor, debit: BankDebit, payment: Payment, *, seen_version: int | None = None
) -> None:
    """Say that by a debit the bank took a payment back; it is taken back here too."""
    _hold_open(work, actor, debit, seen_version)
    if (payment.amount, payment.currency) != (debit.amount, debit.currency):
        raise OperationError("The payment is of another amount.")
    entry = take_back(work, actor, payment, "The bank took the payment back.")
    _settle(work, actor, debit, DebitState.REVERSAL, entry)


def settle_as_charge(
    work: Work, actor: Actor, debit: BankDebit, reason: str, *, seen_version: int | None = None
) -> Transfer:
    """Say that a debit is the bank's charge, or a loss."""
    _hold_open(work, actor, debit, seen_version)
    if not reason.strip():
        raise OperationError("Say what it was charged for.")
    entry = transfer(
        work,
        TransferKind.CHARGE,
        debit=ledger_account(work, Purpose.CHARGES, debit.currency),
        credit=ledger_account(work, Purpose.BANK, debit.currency),
        amount=debit.amount,
        reference=f"charge:{debit.id}",
        actor=actor,
    )
    work.record(actor, "charge booked", f"debit:{debit.id}", reason=reason[:255])
    _settle(work, actor, debit, DebitState.CHARGE, entry)
    return entry


def charge_came_back(
    work: Work, actor: Actor, payment: Payment, reason: str, *, seen_version: int | None = None
) -> Transfer:
    """Say that what is left of a payment is a charge which the bank gave back, or interest."""
    require(actor, Permission.MOVE_MONEY)
    hold_payment(work, payment, seen_version)
    if not reason.strip():
        raise OperationError("Say what it was paid for.")
    left = payment.amount - payment.allocated
    entry = transfer(
        work,
        TransferKind.CHARGE,
        debit=ledger_account(work, Purpose.UNALLOCATED, payment.currency),
        credit=ledger_account(work, Purpose.CHARGES, payment.currency),
        amount=left,
        reference=f"charge-came-back:{payment.id}:{payment.version}",
        payment=payment,
        actor=actor,
    )
    payment.allocated += left
    work.record(actor, "charge booked", f"payment:{payment.id}", reason=reason[:255])
    work.session.flush()
    return entry


def _hold_open(work: Work, actor: Actor, debit: BankDebit, seen_version: int | None) -> None:
    require(actor, Permission.MOVE_MONEY)
    hold(work, debit)
    if debit.state is not DebitState.OPEN:
        raise ConflictError(f"Somebody else has settled this already: {debit.state}.")
    if seen_version is not None and debit.version != seen_version:
        raise ConflictError("Somebody else has changed this in the meantime: look at it again.")


def _fits(work: Work, debit: BankDebit, payout: Transfer) -> bool:
    return (
        payout.kind is TransferKind.PAYOUT
        and (payout.amount, payout.currency) == (debit.amount, debit.currency)
        and not work.session.scalar(select(exists().where(BankDebit.transfer_id == payout.id)))
    )


def _settle(work: Work, actor: Actor, debit: BankDebit, state: DebitState, entry: Transfer) -> None:
    debit.state, debit.transfer_id = state, entry.id
    debit.settled_at, debit.settled_by = work.now, actor.account_id
    work.session.flush()
