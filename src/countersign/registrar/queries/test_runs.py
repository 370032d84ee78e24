"""Runs of the certification battery against a server."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import defer

from countersign.certification.report import Report
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.queries.paging import Page, bounded, page_of, read_cursor
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.probing import Probe, ProbeOrder
from countersign.storage.database.servers import Server, TestRun


@dataclass(frozen=True, slots=True)
class Part:
    """How far one perspective of a test is."""

    label: str
    status: str
    """waiting (nobody has begun), testing, answered, or none: no result came."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a test is that has not ended."""

    parts: tuple[Part, ...]
    """Empty: it has not begun."""
    begins_at: datetime.datetime | None
    """When it begins, if that is later than now."""
    ends_at: datetime.datetime | None
    """A perspective that has not answered by then does not count."""

    @property
    def answered(self) -> int:
        """How many perspectives have answered, or will not any more."""
        return sum(part.status in ("answered", "none") for part in self.parts)


def runs_of(
    work: Work, server: Server, *, cursor: str | None = None, limit: int = 20
) -> Page[TestRun]:
    """Return a server's test runs, the latest first, without what was said on the wire."""
    statement = (
        select(TestRun)
        .where(TestRun.server_id == server.id)
        .order_by(TestRun.id.desc())
        .options(defer(TestRun.result))
    )
    if cursor is not None:
        statement = statement.where(TestRun.id < read_cursor(cursor, [int])[0])
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda run: [run.id])


def run_of(work: Work, server: Server, run_id: int) -> tuple[TestRun, Report | None]:
    """Return a run of a server, and its report if there is one that can be read.

    Raises :class:`NotFoundError`.
    """
    run = work.session.get(TestRun, run_id)
    if run is None or run.server_id != server.id:
        raise NotFoundError("There is no such test.")
    try:
        return run, Report.from_dict(run.result) if run.result else None
    except ValueError:
        # Written by another version: the verdict still stands in the row.
        return run, None


def progress_of(work: Work, run: TestRun) -> Progress:
    """Return how far a test is. Who makes it is not said: only letters."""
    orders = _orders_of(work, run)
    run_at = work.session.scalar(
        select(Job.run_at).where(
            Job.unique_key == f"test:{run.id}", Job.state == JobState.WAITING, Job.worker == ""
        )
    )
    return Progress(
        tuple(Part(order.label, _status(order, work.now)) for order in orders),
        run_at if run_at is not None and run_at > work.now else None,
        max((order.ends_at for order in orders), default=None),
    )


def _status(order: ProbeOrder, now: datetime.datetime) -> str:
    if order.result_digest is not None:
        return "answered"
    if order.ended_at is not None or order.ends_at <= now:
        return "none"
    return "waiting" if order.fetched_at is None else "testing"


def probes_of(work: Work, run: TestRun) -> list[tuple[ProbeOrder, Probe]]:
    """Return who makes, or made, a test, by their letters. For those who may see the probes."""
    rows = work.session.execute(
        select(ProbeOrder, Probe)
        .join(Probe, Probe.id == ProbeOrder.probe_id)
        .where(ProbeOrder.run_id == run.id)
        .order_by(ProbeOrder.label)
        .options(defer(ProbeOrder.result))
    )
    return [(order, probe) for order, probe in rows]


def _orders_of(work: Work, run: TestRun) -> Sequence[ProbeOrder]:
    return work.session.scalars(
        select(ProbeOrder)
        .where(ProbeOrder.run_id == run.id)
        .order_by(ProbeOrder.label)
        .options(defer(ProbeOrder.result))
    ).all()
