"""Runs of the certification battery against a server."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import defer

from countersign.certification.report import Report
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.queries.paging import Page, bounded, page_of, read_cursor
from countersign.storage.database.servers import Server, TestRun


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
