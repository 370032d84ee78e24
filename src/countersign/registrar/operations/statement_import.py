"""Take a bank statement in: each movement of money once, however often it is sent (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from sqlalchemy import func, select

from countersign.registrar.money.camt import read_camt
from countersign.registrar.money.statement_entry import Entry, Transaction
from countersign.registrar.operations.access import require
from countersign.registrar.operations.bank_debits import take_in_debit
from countersign.registrar.operations.intake import Receipt, take_in
from countersign.registrar.operations.office import Actor, ConflictError, Office, Work
from countersign.rules.access import Permission
from countersign.storage.database.money import DebitState, Payment, PaymentSource

IMPORTED = "statement imported"
"""What the access log says of an import."""
_AT_ONCE = 100
_ATTEMPTS = 5


@dataclass(slots=True)
class ImportResult:
    """What a statement had in it."""

    matched: int = 0
    """Payments that were put to invoices in full."""
    unmatched: int = 0
    """Payments of which something waits for a treasurer."""
    settled: int = 0
    """Debits that were known for what they are."""
    unsettled: int = 0
    """Debits that wait for a treasurer."""
    known: int = 0
    """Movements that were taken in before."""
    record: int = field(default=0, compare=False)
    """Key of the record in the access log that says what came of the file."""

    def add(self, other: ImportResult) -> None:
        """Add the figures of another part."""
        self.matched += other.matched
        self.unmatched += other.unmatched
        self.settled += other.settled
        self.unsettled += other.unsettled
        self.known += other.known


def import_file(office: Office, actor: Actor, stream: BinaryIO) -> ImportResult:
    """Take in a CAMT.053 file.

    It is read to its end before anything is written. It is then taken in piece by piece: if that
    is cut short, the same file again does the rest. Raises :class:`CamtError`.
    """
    require(actor, Permission.MOVE_MONEY)
    movements = _movements(list(read_camt(stream)))
    result = ImportResult()
    with office.reading() as work:
        before = _last_payment(work)
    for begin in range(0, len(movements), _AT_ONCE):
        result.add(_import_piece(office, actor, movements[begin : begin + _AT_ONCE]))
    with office.work() as work:
        record = work.record(
            actor,
            IMPORTED,
            "statement",
            movements=len(movements),
            matched=result.matched,
            unmatched=result.unmatched,
            settled=result.settled,
            unsettled=result.unsettled,
            known=result.known,
            payments_after=before,
            payments_through=_last_payment(work),
        )
        work.session.flush()
        result.record = record.id
    return result


def _last_payment(work: Work) -> int:
    return int(work.session.scalar(select(func.max(Payment.id))) or 0)


def _import_piece(office: Office, actor: Actor, piece: list[Transaction]) -> ImportResult:
    for left in reversed(range(_ATTEMPTS)):
        try:
            with office.work() as work:
                return _take_in_all(work, actor, piece)
        except ConflictError:
            # It met somebody's work on one of the servers. Nothing was written: once more.
            if not left:
                raise
    raise AssertionError("the last attempt returns or raises")


def import_statement(work: Work, actor: Actor, entries: Iterable[Entry]) -> ImportResult:
    """Take in the booked entries of a statement, in one transaction."""
    require(actor, Permission.MOVE_MONEY)
    return _take_in_all(work, actor, _movements(entries))


def _movements(entries: Iterable[Entry]) -> list[Transaction]:
    return [one for entry in entries for one in entry.transactions() if one.amount > 0]


def _take_in_all(work: Work, actor: Actor, movements: Iterable[Transaction]) -> ImportResult:
    result = ImportResult()
    for one in movements:
        if one.is_credit:
            _take_in_credit(work, actor, one, result)
        else:
            debit = take_in_debit(work, actor, one)
            if debit is None:
                result.known += 1
            elif debit.state is DebitState.OPEN:
                result.unsettled += 1
            else:
                result.settled += 1
    return result


def _take_in_credit(work: Work, actor: Actor, one: Transaction, result: ImportResult) -> None:
    receipt = Receipt(
        key=one.key,
        amount=one.amount,
        currency=one.currency,
        received_on=one.value_on,
        # Some banks hand the reference on as the payer's own number of the payment.
        text=" ".join(
            part for part in (one.creditor_reference, one.text, one.end_to_end_id) if part
        ),
        payer=one.counterparty,
        bank_reference=one.bank_reference,
        end_to_end_id=one.end_to_end_id,
        # A payout that came back, or a debit that was taken back, pays no invoice; a batch that the
        # bank does not divide may be of several payers.
        is_clear=not (one.is_reversal or one.is_returned or one.is_unsplit),
    )
    payment, is_new = take_in(work, actor, PaymentSource.STATEMENT, receipt)
    if not is_new:
        result.known += 1
    elif payment.allocated == payment.amount:
        result.matched += 1
    else:
        result.unmatched += 1
