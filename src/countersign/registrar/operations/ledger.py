"""The double-entry ledger: balances and transfers (DESIGN §6).

Balances are credit minus debit, in minor units: what the registrar holds for, or owes to,
the account's owner. The bank's is negative by as much as all others are positive.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm.attributes import set_committed_value

from countersign.registrar.operations.office import SYSTEM, Actor, OperationError, Work
from countersign.storage.database.money import (
    PER_SERVER,
    Invoice,
    LedgerAccount,
    Payment,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.once import insert_once
from countersign.storage.database.servers import ServerEvent


def ledger_account(
    work: Work, purpose: Purpose, currency: str, server_id: int | None = None
) -> LedgerAccount:
    """Return an account of the ledger, opening it if there is none.

    server_id: for the purposes of which each server has an account of its own, and only those.
    """
    if (server_id is not None) is not (purpose in PER_SERVER):
        raise ValueError(f"{purpose}: no such account")
    found = find_account(work, purpose, currency, server_id)
    if found is not None:
        return found
    # Of two who open it at once one waits for the other, and both find it then.
    insert_once(
        work.session,
        LedgerAccount,
        {"purpose": purpose, "currency": currency, "server_id": server_id, "balance": 0},
    )
    found = find_account(work, purpose, currency, server_id)
    if found is None:
        raise RuntimeError("an account of the ledger that was just opened is not there")
    return found


def find_account(
    work: Work, purpose: Purpose, currency: str, server_id: int | None = None
) -> LedgerAccount | None:
    """Return an account of the ledger; None: it was never used."""
    owner: ColumnElement[bool] = (
        LedgerAccount.server_id.is_(None)
        if server_id is None
        else LedgerAccount.server_id == server_id
    )
    return work.session.scalar(
        select(LedgerAccount)
        .where(LedgerAccount.purpose == purpose, LedgerAccount.currency == currency, owner)
        .execution_options(populate_existing=True)
    )


def added_up(work: Work, account: LedgerAccount) -> int:
    """Return credit minus debit of all transfers of an account, one by one.

    For checks and for the common accounts; a server's account knows its balance.
    """
    credit, debit = (
        work.session.scalar(
            select(func.coalesce(func.sum(Transfer.amount), 0)).where(side == account.id)
        )
        for side in (Transfer.credit_account_id, Transfer.debit_account_id)
    )
    return int(credit or 0) - int(debit or 0)


def transfer(
    work: Work,
    kind: TransferKind,
    *,
    debit: LedgerAccount,
    credit: LedgerAccount,
    amount: int,
    reference: str,
    server_id: int | None = None,
    invoice: Invoice | None = None,
    payment: Payment | None = None,
    event: ServerEvent | None = None,
    actor: Actor = SYSTEM,
) -> Transfer:
    """Write one entry.

    reference names the cause; the database refuses the same cause a second time, and the whole
    transaction with it. Raises :class:`OperationError` for an amount that is not positive, two
    currencies, or more than a server's account has.
    """
    if amount <= 0:
        raise OperationError("An amount of money must be above zero.")
    if debit.currency != credit.currency:
        raise OperationError("Money of one currency cannot become another's.")
    entry = Transfer(
        at=work.now,
        kind=kind,
        debit_account_id=debit.id,
        credit_account_id=credit.id,
        amount=amount,
        currency=debit.currency,
        reference=reference,
        server_id=server_id,
        invoice_id=invoice.id if invoice else None,
        payment_id=payment.id if payment else None,
        event_id=event.id if event else None,
        account_id=actor.account_id,
    )
    work.session.add(entry)
    work.session.flush()
    # In one order, so that two transactions never wait for each other.
    for account, change in sorted(
        ((debit, -amount), (credit, amount)), key=lambda pair: pair[0].id
    ):
        if account.purpose in PER_SERVER:
            _change_balance(work, account, change)
    return entry


def _change_balance(work: Work, account: LedgerAccount, change: int) -> None:
    # One statement that reads and writes: nobody comes between, whatever else is held.
    balance = work.session.scalar(
        update(LedgerAccount)
        .where(LedgerAccount.id == account.id, LedgerAccount.balance + change >= 0)
        .values(balance=LedgerAccount.balance + change)
        .returning(LedgerAccount.balance)
        .execution_options(synchronize_session=False)
    )
    if balance is None:
        raise OperationError("There is not so much money in the account.")
    set_committed_value(account, "balance", balance)


def bond_held(work: Work, server_id: int, currency: str) -> int:
    """Return the bond that is held for a server, in minor units."""
    return _balance(work, Purpose.BOND_HELD, currency, server_id)


def refund_due(work: Work, server_id: int, currency: str) -> int:
    """Return what is to be paid out to a server's owner, in minor units."""
    return _balance(work, Purpose.REFUND_DUE, currency, server_id)


def _balance(work: Work, purpose: Purpose, currency: str, server_id: int) -> int:
    account = find_account(work, purpose, currency, server_id)
    return account.balance if account is not None else 0


def accounts_of(work: Work, server_id: int, purpose: Purpose) -> list[LedgerAccount]:
    """Return a server's accounts of one purpose that have money in them, one a currency."""
    return list(
        work.session.scalars(
            select(LedgerAccount)
            .where(
                LedgerAccount.server_id == server_id,
                LedgerAccount.purpose == purpose,
                LedgerAccount.balance > 0,
            )
            .order_by(LedgerAccount.currency)
            .execution_options(populate_existing=True)
        )
    )
