"""Figures that public pages show, kept as they change: no page counts a million rows."""

from __future__ import annotations

from countersign.registrar.operations.office import Work
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.counting import add_to
from countersign.storage.database.publication import MonthCount, PlaceCount, StateCount
from countersign.storage.database.servers import Server


def count_created(work: Work) -> None:
    """Count a new draft."""
    add_to(work.session, StateCount, {"state": State.DRAFT}, {"servers": 1})


def count_transition(work: Work, server: Server, begin: State, action: Action) -> None:
    """Count a transition that was just made."""
    count_month(work, action)
    # In one order, so that two transactions never wait for each other.
    for state in sorted({begin, server.state}):
        change = int(state is server.state) - int(state is begin)
        add_to(work.session, StateCount, {"state": state}, {"servers": change})
    before, after = begin is State.ACTIVE, server.state is State.ACTIVE
    if before is not after:
        count_place(work, server, 1 if after else -1)


def count_month(work: Work, kind: str, amount: int = 1) -> None:
    """Add to a figure of the present month."""
    key = {"month": work.today.replace(day=1), "kind": str(kind)}
    add_to(work.session, MonthCount, key, {"count": amount})


def count_place(work: Work, server: Server, change: int) -> None:
    """Count a server in, or out, at the place where it stands."""
    add_to(
        work.session,
        PlaceCount,
        {"country": server.country, "city": server.city},
        {"servers": change, "providers": change * int(server.takes_customers)},
        {"region": server.region, "latitude": server.latitude, "longitude": server.longitude},
    )
