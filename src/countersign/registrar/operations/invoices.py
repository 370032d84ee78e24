"""Invoices of a server: the bond, the yearly fee, what it owes as a sponsor (DESIGN §6).

An invoice never changes its amount: another one is issued. Whoever changes invoices holds the
server's row (`locks.py`).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import case, func, select
from sqlalchemy.orm import aliased

from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import Work
from countersign.rules.fees import paid_until
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Purpose,
    Transfer,
)
from countersign.storage.database.promises import Sponsorship
from countersign.storage.database.servers import Server, ServerEvent

TARGETS: dict[InvoiceKind, Purpose] = {
    InvoiceKind.BOND: Purpose.BOND_HELD,
    InvoiceKind.FEE: Purpose.FEE_INCOME,
    InvoiceKind.SPONSOR_SHARE: Purpose.BOND_FORFEITED,
}
"""Where the money goes that an invoice asks for."""
_RECURRING = (InvoiceKind.BOND, InvoiceKind.FEE)


def issue_offer_invoices(work: Work, server: Server, _event: ServerEvent) -> None:
    """Ask for what an offer costs: the bond, as far as it is not held, and the first fee."""
    server.offer_ends_on = work.today + datetime.timedelta(days=work.config.money.offer_days)
    bring_bond_invoice_up_to_date(work, server)
    if server.fee_paid_until is None or server.fee_paid_until < work.today:
        ask_for_fee(work, server, server.offer_ends_on)


def ask_for_fee(
    work: Work, server: Server, due_on: datetime.date, *, tell: bool = True
) -> Invoice | None:
    """Issue the invoice of a year's fee; where there is no fee, the year is given."""
    fee = work.config.money.yearly_fee
    if fee == 0:
        server.fee_paid_until = paid_until(server.fee_paid_until, work.today)
        server.fee_reminder = None
        return None
    return issue(work, server, InvoiceKind.FEE, fee, due_on, tell=tell)


def bring_bond_invoice_up_to_date(work: Work, server: Server) -> None:
    """Make the open bond invoice ask for exactly what is missing of the bond due.

    Called whenever the bond due or the bond held changes: sponsors come or go, a bond is
    forfeited, a payment is taken back.
    """
    missing = server.bond_due - bond_held(work, server.id, server.bond_currency)
    open_bond = open_invoice(work, server, InvoiceKind.BOND)
    if open_bond is not None:
        # One that was opened again may ask for nothing: what was paid on it was set aside.
        if missing > 0 and outstanding(work, open_bond) == missing:
            return
        close(work, open_bond, InvoiceState.CANCELLED)
    if missing > 0:
        issue(
            work,
            server,
            InvoiceKind.BOND,
            missing,
            _bond_due_on(work, server),
            currency=server.bond_currency,
        )


def _bond_due_on(work: Work, server: Server) -> datetime.date:
    soon = work.today + datetime.timedelta(days=work.config.money.reply_days)
    if server.active_since is None and server.offer_ends_on is not None:
        return max(server.offer_ends_on, soon)
    return soon


def issue(
    work: Work,
    server: Server,
    kind: InvoiceKind,
    amount: int,
    due_on: datetime.date,
    *,
    currency: str = "",
    sponsorship: Sponsorship | None = None,
    tell: bool = True,
) -> Invoice | None:
    """Issue an invoice and mail it to the owner; None: nothing is asked, or it is asked already.

    tell: no mail if false, because another message tells of the invoice.
    """
    if amount <= 0:
        return None
    if kind in _RECURRING and open_invoice(work, server, kind) is not None:
        return None
    invoice = Invoice(
        server_id=server.id,
        kind=kind,
        state=InvoiceState.OPEN,
        amount=amount,
        currency=currency or work.config.money.currency,
        issued_at=work.now,
        due_on=due_on,
        sponsorship_id=sponsorship.id if sponsorship else None,
    )
    work.session.add(invoice)
    work.session.flush()
    if tell:
        order_mail(work, "invoice", server.owner_id, unique=str(invoice.id), invoice=invoice.id)
    return invoice


def open_invoice(work: Work, server: Server, kind: InvoiceKind) -> Invoice | None:
    """Return the open invoice of a kind; of bond and fee there is one at the most."""
    return next(iter(open_invoices(work, server, kind)), None)


def open_invoices(work: Work, server: Server, kind: InvoiceKind) -> list[Invoice]:
    """Return the open invoices of a kind, the oldest first."""
    return list(
        work.session.scalars(
            select(Invoice)
            .where(
                Invoice.server_id == server.id,
                Invoice.kind == kind,
                Invoice.state == InvoiceState.OPEN,
            )
            .order_by(Invoice.id)
        )
    )


def invoices_of(
    work: Work, server: Server, *, before: int | None = None, limit: int = 50
) -> list[Invoice]:
    """Return a server's invoices, the latest first; before: a key that they come before."""
    statement = select(Invoice).where(Invoice.server_id == server.id)
    if before is not None:
        statement = statement.where(Invoice.id < before)
    return list(work.session.scalars(statement.order_by(Invoice.id.desc()).limit(limit)))


def paid_on(work: Work, invoice: Invoice) -> int:
    """Return what has been paid on an invoice, less what was given back, in minor units."""
    return paid_on_each(work, [invoice.id])[invoice.id]


def paid_on_each(work: Work, keys: Sequence[int]) -> dict[int, int]:
    """Return the same for several invoices, by their keys."""
    debit, credit = aliased(LedgerAccount), aliased(LedgerAccount)
    target = case(TARGETS, value=Invoice.kind)
    rows = work.session.execute(
        select(
            Transfer.invoice_id,
            func.sum(case((credit.purpose == target, Transfer.amount), else_=0)),
            func.sum(case((debit.purpose == target, Transfer.amount), else_=0)),
        )
        .join(Invoice, Invoice.id == Transfer.invoice_id)
        .join(debit, debit.id == Transfer.debit_account_id)
        .join(credit, credit.id == Transfer.credit_account_id)
        .where(Transfer.invoice_id.in_(keys))
        .group_by(Transfer.invoice_id)
    )
    paid = dict.fromkeys(keys, 0)
    paid.update({key: int(into) - int(out_of) for key, into, out_of in rows if key is not None})
    return paid


def outstanding(work: Work, invoice: Invoice) -> int:
    """Return what is still to be paid on an open invoice; 0 for others."""
    if invoice.state is not InvoiceState.OPEN:
        return 0
    return invoice.amount - paid_on(work, invoice)


def close(work: Work, invoice: Invoice, state: InvoiceState) -> None:
    """Settle or cancel an invoice."""
    invoice.state, invoice.settled_at = state, work.now
    work.session.flush()


def cancel_open_invoices(work: Work, server: Server) -> None:
    """Cancel what a server that leaves was asked for; what it owes as a sponsor stays owed."""
    for kind in _RECURRING:
        invoice = open_invoice(work, server, kind)
        if invoice is not None:
            close(work, invoice, InvoiceState.CANCELLED)
