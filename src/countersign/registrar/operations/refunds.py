"""Give money back to an owner who leaves in good standing (DESIGN §6).

What is due is set aside at once, with the decision; the treasurer then pays it out.
"""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.operations.invoices import (
    close,
    open_invoices,
    outstanding,
    paid_on,
)
from countersign.registrar.operations.ledger import accounts_of, ledger_account, transfer
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.operations.trust import liable
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Purpose,
    TransferKind,
)
from countersign.storage.database.promises import Forfeiture, ForfeitureState, Sponsorship
from countersign.storage.database.servers import Server, ServerEvent


def refund_all(work: Work, server: Server, event: ServerEvent) -> None:
    """Set aside the bond held for a server, and fees for a registration that never began.

    Raises :class:`OperationError` if the owner cannot leave yet (contract, section 15).
    """
    if pending_forfeiture(work, server) is not None:
        raise OperationError(
            "A forfeiture of the bond is being decided: leave when the decision has been made."
        )
    if claim := pending_claim(work, server):
        raise OperationError(
            f"It is being decided whether {claim.hostname}, for which this server vouched, sent "
            "spam: leave when the decision has been made."
        )
    if open_invoices(work, server, InvoiceKind.SPONSOR_SHARE):
        raise OperationError("A sponsor's share is still to be paid: leave when it has been paid.")
    refund_bond(work, server, event)
    if server.active_since is None:
        for invoice in work.session.scalars(
            select(Invoice).where(Invoice.server_id == server.id, Invoice.kind == InvoiceKind.FEE)
        ).all():
            if paid := paid_on(work, invoice):
                income = ledger_account(work, Purpose.FEE_INCOME, invoice.currency)
                _set_aside(work, server, event, income, paid, invoice=invoice)


def refund_if_free(work: Work, server: Server, event: ServerEvent) -> None:
    """Set aside the bond of a server that has ended, unless a decision on it is still to come.

    That decision then does so (contract, section 16.2).
    """
    if pending_forfeiture(work, server) is None and pending_claim(work, server) is None:
        refund_bond(work, server, event)


def refund_bond(work: Work, server: Server, event: ServerEvent) -> None:
    """Set aside all of the bond that is held for a server, less what it owes as a sponsor."""
    _set_off_shares(work, server, event)
    for account in accounts_of(work, server.id, Purpose.BOND_HELD):
        _set_aside(work, server, event, account, account.balance)


def refund_surplus(work: Work, server: Server, event: ServerEvent) -> None:
    """Set aside what is held above the bond due."""
    for account in accounts_of(work, server.id, Purpose.BOND_HELD):
        due = server.bond_due if account.currency == server.bond_currency else 0
        _set_aside(work, server, event, account, account.balance - due)


def pending_forfeiture(work: Work, server: Server) -> Forfeiture | None:
    """Return the forfeiture of a server that is being decided; there is one at the most."""
    return work.session.scalar(
        select(Forfeiture).where(
            Forfeiture.server_id == server.id, Forfeiture.state == ForfeitureState.PROPOSED
        )
    )


def pending_claim(work: Work, sponsor: Server) -> Server | None:
    """Return a server for whose offence a sponsor will answer, if it is found to be one."""
    rows = work.session.execute(
        select(Forfeiture, Server)
        .join(Server, Server.id == Forfeiture.server_id)
        .where(
            Forfeiture.state == ForfeitureState.PROPOSED,
            Forfeiture.server_id.in_(
                select(Sponsorship.server_id).where(Sponsorship.sponsor_id == sponsor.id)
            ),
        )
        .order_by(Forfeiture.id)
    ).all()
    for forfeiture, server in rows:
        answering = liable(work, server, forfeiture.offence_on, forfeiture.proposed_at)
        if any(one.sponsor.id == sponsor.id for one in answering):
            return server
    return None


def _set_off_shares(work: Work, server: Server, event: ServerEvent) -> None:
    for invoice in open_invoices(work, server, InvoiceKind.SPONSOR_SHARE):
        for held in accounts_of(work, server.id, Purpose.BOND_HELD):
            owed = outstanding(work, invoice)
            if held.currency != invoice.currency or owed == 0:
                continue
            amount = min(held.balance, owed)
            transfer(
                work,
                TransferKind.FORFEITURE,
                debit=held,
                credit=ledger_account(work, Purpose.BOND_FORFEITED, held.currency),
                amount=amount,
                reference=f"set-off:{event.id}:{invoice.id}",
                server_id=server.id,
                invoice=invoice,
                event=event,
            )
            if amount == owed:
                close(work, invoice, InvoiceState.PAID)


def _set_aside(
    work: Work,
    server: Server,
    event: ServerEvent,
    source: LedgerAccount,
    amount: int,
    *,
    invoice: Invoice | None = None,
) -> None:
    if amount <= 0:
        return
    cause = f"{event.id}:{source.id}:{invoice.id if invoice else ''}"
    transfer(
        work,
        TransferKind.REFUND,
        debit=source,
        credit=ledger_account(work, Purpose.REFUND_DUE, source.currency, server.id),
        amount=amount,
        reference=f"refund:{cause}",
        server_id=server.id,
        invoice=invoice,
        event=event,
    )
    order_mail(
        work,
        "refund-due",
        server.owner_id,
        unique=cause,
        server=server.id,
        amount=amount,
        currency=source.currency,
    )
