"""When a sponsor's undertaking ends (its section 5), and who is told."""

from __future__ import annotations

import datetime

from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.notices import notify_of_event, order_mail
from countersign.registrar.operations.office import SYSTEM, Actor, Work
from countersign.registrar.operations.transitions import add_event
from countersign.registrar.operations.trust import (
    Vouching,
    counting,
    is_young_domain,
    vouchings,
)
from countersign.storage.database.promises import SponsorshipState
from countersign.storage.database.servers import Server

_STANDING = (SponsorshipState.ASKED, SponsorshipState.ACCEPTED)


def end_if_replaced(work: Work, server: Server) -> None:
    """End the undertakings for a server that came to their end by themselves.

    Because its domain has come of age, its bond is held instead, another sponsor has taken the
    place of one that gave notice, or the notice is over. Before the server is active none does.
    """
    if server.active_since is None:
        return
    why = _why_all_end(work, server)
    for one in vouchings(work, server, _STANDING):
        reason = why or _why_one_ends(work, server, one)
        if reason:
            end(work, server, one, reason)


def _why_all_end(work: Work, server: Server) -> str:
    if not is_young_domain(work, server):
        return "The domain has come of age: no sponsor is needed any more."
    held = bond_held(work, server.id, server.bond_currency)
    if held >= server.bond_due > 0:
        return "The bond is held instead."
    return ""


def _why_one_ends(work: Work, server: Server, one: Vouching) -> str:
    given = one.sponsorship.notice_at
    if given is None:
        return ""
    if given + datetime.timedelta(days=work.config.money.notice_days) <= work.now:
        return "The notice is over."
    if len(counting(work, server)) >= work.config.money.sponsors:
        return "Other sponsors have taken this one's place."
    return ""


def end(work: Work, server: Server, one: Vouching, reason: str, actor: Actor = SYSTEM) -> None:
    """End an undertaking or a request for one, and tell both sides."""
    stood = one.sponsorship.state is SponsorshipState.ACCEPTED
    one.sponsorship.state, one.sponsorship.ended_at = SponsorshipState.ENDED, work.now
    details = {"sponsorship": one.sponsorship.id, "sponsor": one.sponsor.hostname}
    add_event(work, server, Happening.SPONSOR_ENDED, actor, reason=reason, details=details)
    if not stood:
        return
    tell_decision(work, server, one)
    event = add_event(
        work,
        one.sponsor,
        Happening.SPONSOR_ENDED,
        actor,
        reason=f"It no longer vouches for {server.hostname}. {reason}",
        details={"sponsorship": one.sponsorship.id, "server": server.hostname},
    )
    notify_of_event(work, one.sponsor, event)


def tell_decision(work: Work, server: Server, one: Vouching) -> None:
    """Tell a server's owner what a sponsor has decided."""
    order_mail(
        work,
        "sponsor-decided",
        server.owner_id,
        unique=f"{one.sponsorship.id}:{one.sponsorship.state}",
        sponsorship=one.sponsorship.id,
    )
