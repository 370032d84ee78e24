"""What sponsors and those whom they vouch for see: questions, undertakings, what is at risk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from countersign.registrar.operations.office import Work
from countersign.registrar.operations.trust import Vouching, live_sponsorships
from countersign.rules.life_cycle import LIVE, State
from countersign.storage.database.promises import Sponsorship, SponsorshipState
from countersign.storage.database.servers import Server

MOST = 200


@dataclass(frozen=True, slots=True)
class Undertaking:
    """A sponsorship from the sponsor's side."""

    sponsorship: Sponsorship
    sponsor: Server
    """The own server that vouches, or was asked to."""
    server: Server
    """The server that is vouched for."""


def requests_to(work: Work, account_id: int) -> list[Undertaking]:
    """Return the questions that wait for an owner's answer, the oldest first."""
    return _of_owner(work, account_id, (SponsorshipState.ASKED,))


def undertakings_of(work: Work, account_id: int) -> list[Undertaking]:
    """Return an owner's undertakings for servers that are registered or applied for."""
    return _of_owner(work, account_id, (SponsorshipState.ACCEPTED,))


def claims_on(work: Work, account_id: int) -> list[Undertaking]:
    """Return the undertakings of an owner whose share was claimed."""
    return _of_owner(work, account_id, (SponsorshipState.CALLED,), frozenset(State))


def _of_owner(
    work: Work,
    account_id: int,
    states: Iterable[SponsorshipState],
    server_states: Iterable[State] = LIVE,
) -> list[Undertaking]:
    sponsor = aliased(Server)
    rows = work.session.execute(
        select(Sponsorship, sponsor, Server)
        .join(sponsor, sponsor.id == Sponsorship.sponsor_id)
        .join(Server, Server.id == Sponsorship.server_id)
        .where(
            sponsor.owner_id == account_id,
            Sponsorship.state.in_(tuple(states)),
            Server.state.in_(tuple(server_states)),
        )
        .order_by(Sponsorship.id)
        .limit(MOST)
    )
    return [Undertaking(*row) for row in rows]


def sponsors_of(work: Work, server: Server) -> list[Vouching]:
    """Return all sponsorships that were ever asked for a server, in their order."""
    rows = work.session.execute(
        select(Sponsorship, Server)
        .join(Server, Server.id == Sponsorship.sponsor_id)
        .where(Sponsorship.server_id == server.id)
        .order_by(Sponsorship.id)
        .limit(MOST)
    )
    return [Vouching(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a server has promised as a sponsor."""

    servers: int
    most_servers: int
    at_risk: int
    """What it would owe if all of them spammed, in the minor unit."""
    currency: str


def exposure(work: Work, sponsor: Server) -> Exposure:
    """Return what a server has promised as a sponsor."""
    money = work.config.money
    at_risk = work.session.scalar(
        select(func.coalesce(func.sum(Sponsorship.share), 0))
        .join(Server, Server.id == Sponsorship.server_id)
        .where(
            Sponsorship.sponsor_id == sponsor.id,
            Sponsorship.state == SponsorshipState.ACCEPTED,
            Sponsorship.currency == money.currency,
            Server.state.in_(LIVE),
        )
    )
    return Exposure(
        live_sponsorships(work, sponsor), money.sponsorships, int(at_risk or 0), money.currency
    )
