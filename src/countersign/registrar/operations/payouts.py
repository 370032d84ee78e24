"""What is due to owners, and its payment by treasurers: never more than is due (DESIGN §6)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import literal_column, select

from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.access import refuse_own_cause, require
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.ledger import ledger_account, transfer
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.office import Actor, OperationError, Work
from countersign.registrar.operations.payments import hold_payment, payout_reference
from countersign.registrar.operations.transitions import add_event
from countersign.rules.access import Permission
from countersign.storage.database.money import (
    LedgerAccount,
    Payment,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.servers import Server


@dataclass(frozen=True, slots=True)
class Due:
    """What one owner is to be paid."""

    account_id: int
    """Key of the ledger's account; the queue goes on after it."""
    server: Server
    amount: int
    currency: str


def due(work: Work, *, after: int = 0, limit: int = 50) -> list[Due]:
    """Return what is to be paid out, in the order of the ledger's accounts."""
    rows = work.session.execute(
        select(LedgerAccount, Server)
        .join(Server, Server.id == LedgerAccount.server_id)
        .where(
            LedgerAccount.purpose == Purpose.REFUND_DUE,
            # Written out: SQLite uses a partial index for a condition that it can read only.
            LedgerAccount.balance > literal_column("0"),
            LedgerAccount.id > after,
        )
        .order_by(LedgerAccount.id)
        .limit(limit)
    )
    return [Due(account.id, server, account.balance, account.currency) for account, server in rows]


def pay_out(
    work: Work, actor: Actor, server: Server, amount: int, *, currency: str, bank_reference: str
) -> Transfer:
    """Record that money due to a server's owner was sent.

    bank_reference: of the transfer; good once. Raises :class:`OperationError` for more than is
    due.
    """
    require(actor, Permission.MOVE_MONEY)
    refuse_own_cause(actor, server)
    hold(work, server)
    source = ledger_account(work, Purpose.REFUND_DUE, currency, server.id)
    if not 0 < amount <= source.balance:
        raise OperationError(f"Only {format_amount(source.balance, currency)} are due.")
    reference = payout_reference(work, bank_reference)
    event = add_event(
        work,
        server,
        Happening.PAID_OUT,
        actor,
        reason=f"{format_amount(amount, currency)} were paid out to the owner.",
        details={"amount": amount, "currency": currency},
    )
    entry = transfer(
        work,
        TransferKind.PAYOUT,
        debit=source,
        credit=ledger_account(work, Purpose.BANK, currency),
        amount=amount,
        reference=reference,
        server_id=server.id,
        event=event,
        actor=actor,
    )
    work.record(actor, "paid out", f"server:{server.id}", server_id=server.id, amount=amount)
    notify_of_event(work, server, event)
    return entry


def payout_came_back(
    work: Work,
    actor: Actor,
    payment: Payment,
    payout: Transfer,
    *,
    seen_version: int | None = None,
) -> Transfer:
    """Record that a payment which came in is a payout that did not reach its goal: due again."""
    require(actor, Permission.MOVE_MONEY)
    hold_payment(work, payment, seen_version)
    left = payment.amount - payment.allocated
    if payout.kind is not TransferKind.PAYOUT or payout.server_id is None:
        raise OperationError("This was not a payout to an owner.")
    if (payout.amount, payout.currency) != (left, payment.currency):
        raise OperationError("The payment is not of the same amount as the payout.")
    server = work.session.get_one(Server, payout.server_id)
    refuse_own_cause(actor, server)
    hold(work, server)
    reference = f"payout-came-back:{payout.id}"
    if work.session.scalar(select(Transfer.id).where(Transfer.reference == reference)):
        raise OperationError("This payout has come back already.")
    event = add_event(
        work,
        server,
        Happening.PAYOUT_RETURNED,
        actor,
        reason=f"{format_amount(left, payment.currency)} paid out have come back from the bank.",
        details={"payment": payment.id, "amount": left, "currency": payment.currency},
    )
    entry = transfer(
        work,
        TransferKind.REVERSAL,
        debit=ledger_account(work, Purpose.UNALLOCATED, payment.currency),
        credit=ledger_account(work, Purpose.REFUND_DUE, payment.currency, server.id),
        amount=left,
        reference=reference,
        server_id=server.id,
        payment=payment,
        event=event,
        actor=actor,
    )
    payment.allocated += left
    work.session.flush()
    notify_of_event(work, server, event)
    return entry
