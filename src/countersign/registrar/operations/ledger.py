"""The double-entry ledger: balances and transfers (DESIGN §6).

Balances are credit minus debit, in minor units: what the registrar holds for, or owes to,
the account's owner. The bank's is negative by as much as all others are positive.
"""

from __future__ import annotations

from sqlalchemy import func, select

from countersign.registrar.operations.office import SYSTEM, Actor, OperationError, Work
from countersign.storage.database.money import (
    Invoice,
    LedgerAccount,
    Payment,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.servers import ServerEvent


def ledger_account(
    work: Work, purpose: Purpose, currency: str, server_id: int | None = None
) -> LedgerAccount:
    """Return an account of the ledger, opening it if there is none."""
    owner = (
        LedgerAccount.server_id.is_(None)
        if server_id is None
        else LedgerAccount.server_id == server_id
    )
    found = work.session.scalar(
        select(LedgerAccount).where(
            LedgerAccount.purpose == purpose, LedgerAccount.currency == currency, owner
        )
    )
    if found is None:
        found = LedgerAccount(purpose=purpose, currency=currency, server_id=server_id)
        work.session.add(found)
        work.session.flush()
    return found


def balance(work: Work, account: LedgerAccount) -> int:
    """Return credit minus debit of an account."""
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
    transaction with it. Raises :class:`OperationError` for an amount that is not positive, or
    two currencies.
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
    return entry


def bond_held(work: Work, server_id: int, currency: str) -> int:
    """Return the bond that is held for a server, in minor units."""
    return balance(work, ledger_account(work, Purpose.BOND_HELD, currency, server_id))
