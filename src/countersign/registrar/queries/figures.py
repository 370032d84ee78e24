"""Figures for everybody: how many servers, how many suspended, what was forfeited (DESIGN §6)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from dateutil.relativedelta import relativedelta
from sqlalchemy import select

from countersign.registrar.operations.office import Work
from countersign.rules.life_cycle import State
from countersign.storage.database.publication import Fact, MonthCount, StateCount

LEDGER = "ledger "
"""How kinds of `MonthCount` begin that are the registrar's own accounts, and nobody else's."""


@dataclass(frozen=True, slots=True)
class Months:
    """Figures by month; all lists are as long as ``months``."""

    months: list[datetime.date]
    """First days, the oldest first, without gaps."""
    counts: dict[str, list[int]]
    """By kind, see `MonthCount`."""


def by_month(work: Work, number: int = 24) -> Months:
    """Return the figures of the last months, the present one included."""
    last = work.today.replace(day=1)
    months = [last - relativedelta(months=back) for back in range(number - 1, -1, -1)]
    counts: dict[str, list[int]] = {}
    for row in work.session.scalars(select(MonthCount).where(MonthCount.month >= months[0])):
        if row.month in months and not row.kind.startswith(LEDGER):
            counts.setdefault(row.kind, [0] * number)[months.index(row.month)] = row.count
    return Months(months, counts)


def by_state(work: Work) -> dict[State, int]:
    """Return how many servers are in each state."""
    rows = {row.state: row.servers for row in work.session.scalars(select(StateCount))}
    return {state: rows.get(state, 0) for state in State}


def s_day(work: Work) -> datetime.date | None:
    """Return the end of the cut-over period; None: the registrar has not started yet."""
    if work.config.s_day is not None:
        return work.config.s_day
    fact = work.session.get(Fact, "s-day")
    return datetime.date.fromisoformat(fact.value["date"]) if fact is not None else None
