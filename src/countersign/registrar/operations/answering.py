"""Sponsors who answer for a forfeiture that is being decided (undertaking, sections 2 and 5)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import Actor, Work
from countersign.registrar.operations.refunds import refund_if_free
from countersign.registrar.operations.sanctions import check_impartial
from countersign.registrar.operations.trust import Vouching, liable
from countersign.rules.life_cycle import ENDED
from countersign.storage.database.promises import Forfeiture
from countersign.storage.database.servers import Server, ServerEvent


def answerable(work: Work, server: Server, forfeiture: Forfeiture) -> list[Vouching]:
    """Return the sponsors who answer for the offence of a forfeiture."""
    return liable(work, server, forfeiture.offence_on, forfeiture.proposed_at)


def hold_liable(work: Work, server: Server, offence_on: datetime.date) -> list[Vouching]:
    """Hold the sponsors who would answer for an offence that is proposed now, and return them.

    None of them can leave with its bond before the proposal is there for all to see.
    """
    hold_sponsors(work, liable(work, server, offence_on, work.now))
    return liable(work, server, offence_on, work.now)


def hold_sponsors(work: Work, sponsors: Sequence[Vouching]) -> None:
    """Hold the rows of sponsors, in an order that is always the same."""
    for one in sorted(sponsors, key=lambda vouching: vouching.sponsor.id):
        hold(work, one.sponsor)


def check_impartial_to_all(actor: Actor, server: Server, sponsors: Sequence[Vouching]) -> None:
    """Raise :class:`ForbiddenError` if somebody is a party to a server or to its sponsors."""
    check_impartial(actor, server)
    for one in sponsors:
        check_impartial(actor, one.sponsor)


def release(work: Work, sponsors: Sequence[Vouching], event: ServerEvent) -> None:
    """Set aside the bonds of sponsors that were struck off and waited for this decision."""
    hold_sponsors(work, sponsors)
    for one in sorted(sponsors, key=lambda vouching: vouching.sponsor.id):
        if one.sponsor.state in ENDED:
            refund_if_free(work, one.sponsor, event)
