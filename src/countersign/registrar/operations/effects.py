"""What a transition causes, in its own transaction: one function for each `Effect`.

What reaches beyond the database (mail, tests, files) is ordered here and done by a job.
"""

from __future__ import annotations

from collections.abc import Callable

from countersign.registrar.operations.certifications import order_test
from countersign.registrar.operations.control import is_proven, order_check
from countersign.registrar.operations.invoices import cancel_open_invoices, issue_offer_invoices
from countersign.registrar.operations.listing import list_server
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.office import Work
from countersign.registrar.operations.refunds import refund_all
from countersign.registrar.operations.traps import allocate_first
from countersign.registrar.operations.trust import reconsider_sponsored
from countersign.rules.life_cycle import Effect, State
from countersign.storage.database.publication import Listing
from countersign.storage.database.servers import Server, ServerEvent

_LISTINGS = {State.ACTIVE: Listing.REGISTERED, State.SUSPENDED: Listing.SUSPENDED}


def _screen(work: Work, server: Server, event: ServerEvent) -> None:
    work.order("screen", {"server": server.id}, unique_key=f"screen:{event.id}")


def _test(work: Work, server: Server, _event: ServerEvent) -> None:
    """Test a host that is proven to be the applicant's; else look for the proof first.

    The letter about the same event says what to do.
    """
    if is_proven(server):
        order_test(work, server, "application")
    else:
        order_check(work, server)


def _offer(work: Work, server: Server, event: ServerEvent) -> None:
    work.order("offer", {"server": server.id}, unique_key=f"offer:{event.id}")


def _publish(work: Work, server: Server, event: ServerEvent) -> None:
    list_server(work, server, event, _LISTINGS[server.state])
    if server.state is State.ACTIVE:
        reconsider_sponsored(work, server, str(event.id))
    if server.state is State.ACTIVE:
        allocate_first(work, server)


def _withdraw_entry(work: Work, server: Server, event: ServerEvent) -> None:
    list_server(work, server, event, Listing.ABSENT)
    reconsider_sponsored(work, server, str(event.id))


def _cancel_invoices(work: Work, server: Server, _event: ServerEvent) -> None:
    cancel_open_invoices(work, server)


EFFECTS: dict[Effect, Callable[[Work, Server, ServerEvent], None]] = {
    Effect.SCREEN: _screen,
    Effect.TEST: _test,
    Effect.OFFER: _offer,
    Effect.INVOICE: issue_offer_invoices,
    Effect.PUBLISH: _publish,
    Effect.WITHDRAW_ENTRY: _withdraw_entry,
    Effect.REFUND: refund_all,
    Effect.CANCEL_INVOICES: _cancel_invoices,
    Effect.NOTIFY: notify_of_event,
}
