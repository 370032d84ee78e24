"""Invoices of a server: the bond and the yearly fee (DESIGN §6)."""

from __future__ import annotations

import datetime

from sqlalchemy import func, select

from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import Work
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Purpose,
    Transfer,
)
from countersign.storage.database.servers import Server, ServerEvent


def issue_offer_invoices(work: Work, server: Server, _event: ServerEvent) -> None:
    """Ask for what an offer costs: the bond, as far as it is not held, and the first fee."""
    server.offer_ends_on = work.today + datetime.timedelta(days=work.config.money.offer_days)
    bring_bond_invoice_up_to_date(work, server)
    if server.fee_paid_until is None or server.fee_paid_until < work.today:
        issue(work, server, InvoiceKind.FEE, work.config.money.yearly_fee, server.offer_ends_on)


def bring_bond_invoice_up_to_date(work: Work, server: Server) -> None:
    """Make the open bond invoice ask for exactly what is missing of the bond due.

    Called whenever the bond due or the bond held changes: sponsors come or go, a bond is
    forfeited. An invoice never changes its amount: it is cancelled and another one issued.
    """
    missing = server.bond_due - bond_held(work, server.id, server.bond_currency)
    open_bond = open_invoice(work, server, InvoiceKind.BOND)
    if open_bond is not None:
        outstanding = open_bond.amount - paid_on(work, open_bond)
        if outstanding == missing:
            return
        close(work, open_bond, InvoiceState.CANCELLED)
    if missing > 0:
        ends_on = server.offer_ends_on or work.today
        due = max(ends_on, work.today + datetime.timedelta(days=14))
        issue(work, server, InvoiceKind.BOND, missing, due)


def issue(
    work: Work, server: Server, kind: InvoiceKind, amount: int, due_on: datetime.date
) -> Invoice | None:
    """Issue an invoice and mail it to the owner; None: nothing is asked, or it is asked already."""
    if amount <= 0 or open_invoice(work, server, kind) is not None:
        return None
    invoice = Invoice(
        server_id=server.id,
        kind=kind,
        state=InvoiceState.OPEN,
        amount=amount,
        currency=work.config.money.currency,
        issued_at=work.now,
        due_on=due_on,
    )
    work.session.add(invoice)
    work.session.flush()
    order_mail(work, "invoice", server.owner_id, unique=str(invoice.id), invoice=invoice.id)
    return invoice


def open_invoice(work: Work, server: Server, kind: InvoiceKind) -> Invoice | None:
    """Return the open invoice of a kind; there is one at the most."""
    return work.session.scalar(
        select(Invoice).where(
            Invoice.server_id == server.id,
            Invoice.kind == kind,
            Invoice.state == InvoiceState.OPEN,
        )
    )


def paid_on(work: Work, invoice: Invoice) -> int:
    """Return what has been paid on an invoice, less what was given back, in minor units."""
    own = (Purpose.BOND_HELD, Purpose.FEE_INCOME)
    total = 0
    for side, sign in ((Transfer.credit_account_id, 1), (Transfer.debit_account_id, -1)):
        amount = work.session.scalar(
            select(func.coalesce(func.sum(Transfer.amount), 0))
            .join(LedgerAccount, LedgerAccount.id == side)
            .where(Transfer.invoice_id == invoice.id, LedgerAccount.purpose.in_(own))
        )
        total += sign * int(amount or 0)
    return total


def close(work: Work, invoice: Invoice, state: InvoiceState) -> None:
    """Settle or cancel an invoice."""
    invoice.state, invoice.settled_at = state, work.now
    work.session.flush()


def cancel_open_invoices(work: Work, server: Server) -> None:
    """Cancel all that is still asked of a server."""
    for kind in InvoiceKind:
        invoice = open_invoice(work, server, kind)
        if invoice is not None:
            close(work, invoice, InvoiceState.CANCELLED)
