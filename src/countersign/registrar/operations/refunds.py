"""Give money back to an owner who leaves in good standing (DESIGN §6).

What is due is set aside at once, with the decision; the treasurer then pays it out.
"""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.operations.invoices import paid_on
from countersign.registrar.operations.ledger import balance, ledger_account, transfer
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import Work
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    LedgerAccount,
    Purpose,
    TransferKind,
)
from countersign.storage.database.servers import Server, ServerEvent


def refund_all(work: Work, server: Server, event: ServerEvent) -> None:
    """Set aside the bond held for a server, and fees for a registration that never began."""
    for account in work.session.scalars(
        select(LedgerAccount).where(
            LedgerAccount.server_id == server.id, LedgerAccount.purpose == Purpose.BOND_HELD
        )
    ).all():
        _set_aside(work, server, event, account, balance(work, account), None)
    if server.active_since is None:
        for invoice in work.session.scalars(
            select(Invoice).where(Invoice.server_id == server.id, Invoice.kind == InvoiceKind.FEE)
        ).all():
            income = ledger_account(work, Purpose.FEE_INCOME, invoice.currency)
            _set_aside(work, server, event, income, paid_on(work, invoice), invoice)


def _set_aside(
    work: Work,
    server: Server,
    event: ServerEvent,
    source: LedgerAccount,
    amount: int,
    invoice: Invoice | None,
) -> None:
    if amount <= 0:
        return
    transfer(
        work,
        TransferKind.REFUND,
        debit=source,
        credit=ledger_account(work, Purpose.REFUND_DUE, source.currency, server.id),
        amount=amount,
        reference=f"refund:{event.id}:{source.id}:{invoice.id if invoice else ''}",
        server_id=server.id,
        invoice=invoice,
        event=event,
    )
    order_mail(
        work,
        "refund-due",
        server.owner_id,
        unique=f"{event.id}:{source.id}:{invoice.id if invoice else ''}",
        server=server.id,
        amount=amount,
        currency=source.currency,
    )
