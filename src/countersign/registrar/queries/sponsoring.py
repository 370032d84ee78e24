"""What an owner of trusted servers is asked, and has promised, as a sponsor (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select

from countersign.registrar.operations.office import Work
from countersign.rules.life_cycle import LIVE
from countersign.storage.database.promises import (
    Forfeiture,
    ForfeitureState,
    Sponsorship,
    SponsorshipState,
)
from countersign.storage.database.servers import Server


@dataclass(frozen=True, slots=True)
class Promised:
    """What one server has promised as a sponsor."""

    sponsor: Server
    servers: int
    at_risk: int
    """What it would owe if all of them spammed, in the minor unit."""
    currency: str


def promised_by(work: Work, sponsors: Iterable[Server]) -> list[Promised]:
    """Return what some servers have promised, in one query for all of them."""
    known = {server.id: server for server in sponsors}
    if not known:
        return []
    rows = work.session.execute(
        select(
            Sponsorship.sponsor_id,
            Sponsorship.currency,
            func.count(),
            func.coalesce(func.sum(Sponsorship.share), 0),
        )
        .join(Server, Server.id == Sponsorship.server_id)
        .where(
            Sponsorship.sponsor_id.in_(known),
            Sponsorship.state == SponsorshipState.ACCEPTED,
            Server.state.in_(LIVE),
        )
        .group_by(Sponsorship.sponsor_id, Sponsorship.currency)
        .order_by(Sponsorship.sponsor_id, Sponsorship.currency)
    )
    return [
        Promised(known[sponsor_id], int(count), int(amount), currency)
        for sponsor_id, currency, count, amount in rows
    ]


def forfeitures_of(work: Work, server_ids: Iterable[int]) -> dict[int, Forfeiture]:
    """Return the forfeitures that are being decided of some servers, by the servers' keys."""
    wanted = list(server_ids)
    if not wanted:
        return {}
    rows = work.session.scalars(
        select(Forfeiture).where(
            Forfeiture.server_id.in_(wanted), Forfeiture.state == ForfeitureState.PROPOSED
        )
    )
    return {one.server_id: one for one in rows}
