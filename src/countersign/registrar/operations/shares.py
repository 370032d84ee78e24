"""What sponsors owe after the server that they vouched for spammed (undertaking, section 2)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.access import require
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.invoices import close, issue, paid_on
from countersign.registrar.operations.ledger import ledger_account, transfer
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.offers import try_activate
from countersign.registrar.operations.office import SYSTEM, Actor, OperationError, Work
from countersign.registrar.operations.sanctions import check_impartial, check_reason
from countersign.registrar.operations.transitions import add_event
from countersign.registrar.operations.trust import Vouching, reconsider_sponsored
from countersign.rules.access import Permission
from countersign.rules.bond import sponsor_share
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    InvoiceState,
    Purpose,
    TransferKind,
)
from countersign.storage.database.promises import SponsorshipState
from countersign.storage.database.servers import Server, ServerEvent

_DAYS_TO_PAY = datetime.timedelta(days=30)
"""Undertaking, section 2.1."""


def tell_of_risk(
    work: Work, server: Server, liable: Sequence[Vouching], until: datetime.datetime
) -> None:
    """Tell sponsors that a server which they vouch for may be found to have spammed."""
    for one in liable:
        share = format_amount(one.sponsorship.share, one.sponsorship.currency)
        event = add_event(
            work,
            one.sponsor,
            Happening.SHARE_AT_RISK,
            SYSTEM,
            reason=f"{server.hostname}, for which this server vouches, is said to have sent spam. "
            f"If that is found to be so, a share of up to {share} is owed. "
            f"You may reply until {until:%Y-%m-%d %H:%M} UTC.",
            details={"sponsorship": one.sponsorship.id, "server": server.hostname},
        )
        notify_of_event(work, one.sponsor, event)


def claim(
    work: Work, server: Server, liable: Sequence[Vouching], forfeited: int, cause: ServerEvent
) -> None:
    """Claim the shares of sponsors, and put the offence on their record.

    forfeited: of the server's own bond; what is missing of a bond is shared.
    """
    for one in sorted(liable, key=lambda vouching: vouching.sponsor.id):
        hold(work, one.sponsor)
        amount = min(one.sponsorship.share, _share(work, len(liable), forfeited))
        one.sponsorship.state, one.sponsorship.ended_at = SponsorshipState.CALLED, work.now
        one.sponsor.last_offence_on = work.today
        invoice = issue(
            work,
            one.sponsor,
            InvoiceKind.SPONSOR_SHARE,
            amount,
            work.today + _DAYS_TO_PAY,
            currency=one.sponsorship.currency,
            sponsorship=one.sponsorship,
            tell=False,
        )
        event = add_event(
            work,
            one.sponsor,
            Happening.SHARE_CLAIMED,
            SYSTEM,
            reason=_claim_text(server, one, invoice),
            details={
                "sponsorship": one.sponsorship.id,
                "server": server.hostname,
                "cause": cause.id,
                "invoice": invoice.id if invoice else None,
                "amount": amount,
                "currency": one.sponsorship.currency,
            },
        )
        notify_of_event(work, one.sponsor, event)
        reconsider_sponsored(work, one.sponsor, str(event.id))


def _share(work: Work, sponsors: int, forfeited: int) -> int:
    schedule = work.config.money.schedule()
    missing = replace(schedule, bond=max(schedule.bond - forfeited, 0))
    return sponsor_share(missing, max(sponsors, schedule.sponsors))


def _claim_text(server: Server, one: Vouching, invoice: Invoice | None) -> str:
    text = (
        f"{server.hostname}, for which this server vouched, was found to have sent spam. "
        f"This server is not trusted for some time from today."
    )
    if invoice is not None:
        share = format_amount(invoice.amount, invoice.currency)
        text += f" The share of {share} is owed: invoice {invoice.id}, due on {invoice.due_on}."
    return text


def waive_share(work: Work, actor: Actor, invoice: Invoice, reason: str) -> None:
    """Give up a claim on a sponsor, on appeal; what it paid is set aside for it."""
    require(actor, Permission.ADJUDICATE)
    sponsor = work.session.get_one(Server, invoice.server_id)
    check_impartial(actor, sponsor)
    hold(work, sponsor)
    hold(work, invoice)
    if invoice.kind is not InvoiceKind.SPONSOR_SHARE or invoice.state is InvoiceState.CANCELLED:
        raise OperationError("This is no share that is claimed.")
    said = check_reason(reason)
    event = add_event(
        work,
        sponsor,
        Happening.SHARE_WAIVED,
        actor,
        reason=f"The share asked for by invoice {invoice.id} is not owed any more. {said}"[:1000],
        details={"invoice": invoice.id},
    )
    paid = paid_on(work, invoice)
    if paid:
        transfer(
            work,
            TransferKind.REFUND,
            debit=ledger_account(work, Purpose.BOND_FORFEITED, invoice.currency),
            credit=ledger_account(work, Purpose.REFUND_DUE, invoice.currency, sponsor.id),
            amount=paid,
            reference=f"refund:{event.id}:waived:{invoice.id}",
            server_id=sponsor.id,
            invoice=invoice,
            event=event,
            actor=actor,
        )
    close(work, invoice, InvoiceState.CANCELLED)
    notify_of_event(work, sponsor, event)
    try_activate(work, sponsor)
