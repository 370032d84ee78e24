"""The bond of a server, the offer, and the moment when everything is there (DESIGN §6).

The bond is assessed when the offer is made, and again whenever sponsors or history change. A
bond that is held stays held while the server is registered (contract, section 10.3).
"""

from __future__ import annotations

from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.invoices import (
    bring_bond_invoice_up_to_date,
    open_invoices,
)
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.needs import unmet_needs
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.office import SYSTEM, Office, Work
from countersign.registrar.operations.one_by_one import Tally, each_server
from countersign.registrar.operations.refunds import pending_forfeiture, refund_surplus
from countersign.registrar.operations.sponsor_terms import end_if_replaced
from countersign.registrar.operations.transitions import add_event, move
from countersign.registrar.operations.trust import assess
from countersign.rules.fees import paid_until
from countersign.rules.life_cycle import TRANSITIONS, Action, Need, State
from countersign.storage.database.money import InvoiceKind
from countersign.storage.database.servers import Server

_ASSESSED = frozenset({State.OFFERED, State.ACTIVE, State.SUSPENDED, State.LAPSED})
_TO_ACTIVE = {
    State.OFFERED: Action.ACTIVATE,
    State.LAPSED: Action.RENEW,
    State.SUSPENDED: Action.REINSTATE,
}


def make_offer(work: Work, server: Server) -> None:
    """Assess the bond of a server that passed its test, and offer registration.

    Does nothing if the server is not waiting for an offer any more: the job may come late.
    """
    hold(work, server)
    if server.state is not State.TESTED:
        return
    server.bond_currency = work.config.money.currency
    due = assess(work, server)
    server.bond_due, server.bond_reasons = due.amount, list(due.reasons)
    move(
        work,
        server,
        Action.OFFER,
        SYSTEM,
        details={
            "bond": due.amount,
            "currency": server.bond_currency,
            "reasons": list(due.reasons),
        },
    )
    try_activate(work, server)


def review(work: Work, server: Server) -> None:
    """Assess the bond of a server anew, and bring its invoice, surplus and sponsors into line."""
    hold(work, server)
    if server.state not in _ASSESSED:
        return
    before, held = server.bond_due, bond_held(work, server.id, server.bond_currency)
    due = assess(work, server)
    amount = due.amount
    if server.active_since is not None:
        amount = max(amount, min(before, held))
    if amount == due.amount and server.bond_reasons != list(due.reasons):
        server.bond_reasons = list(due.reasons)
    if amount != before:
        server.bond_due = amount
        event = add_event(
            work,
            server,
            Happening.BOND_REVIEWED,
            SYSTEM,
            details={
                "bond": amount,
                "before": before,
                "currency": server.bond_currency,
                "reasons": server.bond_reasons,
            },
        )
        refund_surplus(work, server, event)
        notify_of_event(work, server, event)
    bring_bond_invoice_up_to_date(work, server)
    end_if_replaced(work, server)
    work.session.flush()


def try_activate(work: Work, server: Server) -> bool:
    """Give a server sending privileges if nothing is missing any more; tell whether it got them.

    From offered and lapsed. From suspended only where a person has said that the cause is
    removed, and money alone was missing. To be called after whatever may have been the last
    thing missing; does no harm at other times.
    """
    review(work, server)
    action = _TO_ACTIVE.get(server.state)
    if action is None or not _may_be_automatic(work, server):
        return False
    if missing(work, server):
        return False
    first = server.active_since is None
    if first:
        server.active_since = work.today
        # The first year begins when the server becomes active (contract, section 14.1).
        server.fee_paid_until = max(
            paid_until(None, work.today), server.fee_paid_until or work.today
        )
    reason = "What was asked for has been done." if action is Action.REINSTATE else ""
    move(work, server, action, SYSTEM, reason=reason)
    forget_suspension(work, server)
    end_if_replaced(work, server)
    return True


def missing(work: Work, server: Server) -> tuple[Need, ...]:
    """Return what a server still needs to become active, in the life cycle's order.

    Empty too where no such step is next.
    """
    action = _TO_ACTIVE.get(server.state)
    if action is None:
        return ()
    needs = TRANSITIONS[server.state, action].needs
    unmet = unmet_needs(work, server, needs)
    return tuple(need for need in needs if need in unmet)


def forget_suspension(work: Work, server: Server) -> None:
    """Forget what a suspension asked for, after it has ended."""
    server.public_reason, server.remedy, server.remedy_done_at = "", "", None
    work.session.flush()


def _may_be_automatic(work: Work, server: Server) -> bool:
    if server.state is not State.SUSPENDED:
        return True
    return (
        server.remedy_done_at is not None
        and pending_forfeiture(work, server) is None
        and not has_overdue_share(work, server)
    )


def has_overdue_share(work: Work, server: Server) -> bool:
    """Tell whether a server owes what was due from it as a sponsor."""
    return any(
        invoice.due_on < work.today
        for invoice in open_invoices(work, server, InvoiceKind.SPONSOR_SHARE)
    )


def lapse_offers(office: Office) -> Tally:
    """Withdraw the offers that were not taken up in time. For every day; may be repeated."""

    def lapse(work: Work, server: Server) -> bool:
        if try_activate(work, server):
            return False
        move(
            work,
            server,
            Action.LAPSE,
            SYSTEM,
            reason=f"The offer ended on {server.offer_ends_on} and was not taken up.",
        )
        return True

    past = Server.offer_ends_on < office.clock().date()
    return each_server(office, (Server.state == State.OFFERED, past), Server.offer_ends_on, lapse)
