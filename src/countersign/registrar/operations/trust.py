"""Who is trusted, and who vouches for whom: what the data say (DESIGN §6).

The texts are the registration contract, section 13, and the sponsor's undertaking.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from countersign.registrar.operations.office import Work
from countersign.rules.bond import BondDue, bond_due, is_trusted, is_young
from countersign.rules.life_cycle import LIVE, PUBLISHED, State
from countersign.storage.database.promises import Sponsorship, SponsorshipState
from countersign.storage.database.servers import Server


@dataclass(frozen=True, slots=True)
class Vouching:
    """A sponsorship with the server that vouches."""

    sponsorship: Sponsorship
    sponsor: Server


def has_standing(work: Work, server: Server) -> bool:
    """Tell whether a server has been active long enough without an offence."""
    return is_trusted(
        active_since=server.active_since,
        last_offence=server.last_offence_on,
        today=work.today,
        schedule=work.config.money.schedule(),
    )


def may_vouch(work: Work, server: Server) -> bool:
    """Tell whether a server may begin to vouch for another: it is trusted, and active now."""
    return server.state is State.ACTIVE and has_standing(work, server)


def vouchings(
    work: Work, server: Server, states: Sequence[SponsorshipState] = (SponsorshipState.ACCEPTED,)
) -> list[Vouching]:
    """Return a server's sponsorships in some states, in the order in which they were asked for."""
    rows = work.session.execute(
        select(Sponsorship, Server)
        .join(Server, Server.id == Sponsorship.sponsor_id)
        .where(Sponsorship.server_id == server.id, Sponsorship.state.in_(states))
        .order_by(Sponsorship.id)
    )
    return [Vouching(sponsorship, sponsor) for sponsorship, sponsor in rows]


def counting(work: Work, server: Server) -> list[Vouching]:
    """Return the sponsorships that count towards a server's bond now.

    Not those of sponsors that gave notice, and not those of servers that are no longer trusted.
    A sponsor that is suspended for the time being still counts.
    """
    return [
        one
        for one in vouchings(work, server)
        if one.sponsorship.notice_at is None
        and one.sponsor.state in PUBLISHED
        and has_standing(work, one.sponsor)
    ]


def live_sponsorships(work: Work, sponsor: Server) -> int:
    """Return for how many servers a server vouches now."""
    return int(
        work.session.scalar(
            select(func.count())
            .select_from(Sponsorship)
            .join(Server, Server.id == Sponsorship.server_id)
            .where(
                Sponsorship.sponsor_id == sponsor.id,
                Sponsorship.state == SponsorshipState.ACCEPTED,
                Server.state.in_(LIVE),
            )
        )
        or 0
    )


def liable(
    work: Work, server: Server, offence_on: datetime.date, told_at: datetime.datetime
) -> list[Vouching]:
    """Return the sponsorships whose sponsors answer for spam that a server sent on a day.

    Those that were in force on that day, and have not ended so long ago that the sponsor need
    not expect it any more (undertaking, section 5).
    """
    begun = server.active_since
    if begun is None or offence_on < begun:
        return []
    told_in_time = told_at - datetime.timedelta(days=work.config.money.claim_days)
    rows = work.session.execute(
        select(Sponsorship, Server)
        .join(Server, Server.id == Sponsorship.sponsor_id)
        .where(
            Sponsorship.server_id == server.id,
            Sponsorship.state.in_((SponsorshipState.ACCEPTED, SponsorshipState.ENDED)),
        )
        .order_by(Sponsorship.id)
    )
    return [
        Vouching(sponsorship, sponsor)
        for sponsorship, sponsor in rows
        if sponsorship.accepted_at is not None
        and sponsorship.accepted_at.date() <= offence_on
        and (
            sponsorship.ended_at is None
            or (sponsorship.ended_at.date() >= offence_on and sponsorship.ended_at >= told_in_time)
        )
    ]


def known_age(server: Server) -> datetime.date | None:
    """Return since when a server's domain is known to exist; None: it is not known."""
    # It was there when the server became active, whatever its registry says.
    known = [day for day in (server.domain_registered_on, server.active_since) if day is not None]
    return min(known, default=None)


def is_young_domain(work: Work, server: Server) -> bool:
    """Tell whether a server's domain is too young to do without bond or sponsors."""
    return is_young(known_age(server), work.today, work.config.money.schedule())


def sponsors_can_help(work: Work, server: Server) -> bool:
    """Tell whether sponsors can stand in for a server's bond: it has no history."""
    return is_young_domain(work, server) and not server.matched_offender and server.offences == 0


def assess(work: Work, server: Server, sponsors: int | None = None) -> BondDue:
    """Return the bond that the rules ask of a server today, and why.

    sponsors: how many to reckon with; None: those that count now.
    """
    return bond_due(
        domain_registered_on=known_age(server),
        trusted_sponsors=len(counting(work, server)) if sponsors is None else sponsors,
        matched_offender=server.matched_offender,
        offences=server.offences,
        today=work.today,
        schedule=work.config.money.schedule(),
    )


def reconsider_sponsored(work: Work, sponsor: Server, cause: str) -> None:
    """Order a new look at the bonds of the servers that a server vouches for.

    Because the sponsor may count no more, or again. In transactions of their own, so that none
    has to hold many servers. cause: unique, e.g. the key of an event.
    """
    for server_id in work.session.scalars(
        select(Sponsorship.server_id)
        .join(Server, Server.id == Sponsorship.server_id)
        .where(
            Sponsorship.sponsor_id == sponsor.id,
            Sponsorship.state == SponsorshipState.ACCEPTED,
            Server.state.in_(LIVE),
        )
    ).all():
        work.order("review", {"server": server_id}, unique_key=f"review:{cause}:{server_id}")
