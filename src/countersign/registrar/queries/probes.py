"""What staff sees of the probes: where they stand, when they were seen, what they have to do."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select

from countersign.registrar.operations import probes
from countersign.registrar.operations.office import Work
from countersign.rules.perspectives import Place, ranges
from countersign.storage.database.probing import Probe, ProbeOrder

SILENT = datetime.timedelta(minutes=5)
"""A probe asks twice a minute, and when it does is noted to the minute."""


class Condition(StrEnum):
    """How a probe stands."""

    WELL = "well"
    SILENT = "silent"
    """It has not asked for work for a while."""
    INVITED = "invited"
    """It has not been enrolled yet."""
    LAPSED = "lapsed"
    """Its invitation was not taken up in time."""


@dataclass(frozen=True, slots=True)
class ProbeStatus:
    """A probe, and how it stands."""

    probe: Probe
    condition: Condition
    open_orders: int


def statuses(work: Work) -> list[ProbeStatus]:
    """Return all probes that were not revoked, by name."""
    rows = work.session.execute(
        select(ProbeOrder.probe_id, func.count())
        .where(ProbeOrder.ended_at.is_(None), ProbeOrder.ends_at > work.now)
        .group_by(ProbeOrder.probe_id)
    )
    counts = dict(rows.tuples().all())
    return [
        ProbeStatus(one, _condition(work, one), counts.get(one.id, 0))
        for one in probes.current(work)
    ]


def status_of(work: Work, probe: Probe) -> ProbeStatus:
    """Return how one probe stands."""
    query = select(func.count()).select_from(ProbeOrder)
    query = query.where(
        ProbeOrder.probe_id == probe.id,
        ProbeOrder.ended_at.is_(None),
        ProbeOrder.ends_at > work.now,
    )
    return ProbeStatus(probe, _condition(work, probe), work.session.scalar(query) or 0)


def count_ranges(work: Work) -> int:
    """Return in how many distinct ranges there are probes that are enrolled."""
    places = [
        Place(one.id, one.network, one.as_number)
        for one in probes.current(work)
        if one.enrolled_at is not None
    ]
    return len(ranges(places))


def shortage(work: Work) -> str:
    """Return a warning where there are too few probes; empty: there are enough.

    One more than test at one time is needed: the same set never tests a host twice running.
    """
    wanted, there = work.config.certification.probes + 1, count_ranges(work)
    if there >= wanted:
        return ""
    return (
        f"Enrolled probes stand in {there} distinct network range{'' if there == 1 else 's'}, and "
        f"{wanted} are needed: {wanted - 1} test a server at one time, and never the same ones "
        "twice running. Until there are more, some tests cannot be made."
    )


def _condition(work: Work, probe: Probe) -> Condition:
    if probe.enrolled_at is None:
        is_open = probe.token_ends_at is not None and probe.token_ends_at > work.now
        return Condition.INVITED if is_open else Condition.LAPSED
    seen = probe.seen_at or probe.enrolled_at
    return Condition.SILENT if work.now - seen > SILENT else Condition.WELL
