"""Relay tests of servers: ordered here and made by a job (DESIGN §8).

What follows from a result is in `test_results.py`.
"""

from __future__ import annotations

import datetime

from sqlalchemy import select

from countersign.registrar.operations.office import Work
from countersign.rules.life_cycle import ENDED, State
from countersign.storage.database.servers import Server, TestRun

NOT_TESTED = ENDED | {State.DRAFT, State.SUBMITTED}
"""Nobody is tested before a screener has cleared the application, or after it has ended."""


def order_test(
    work: Work, server: Server, cause: str, *, run_at: datetime.datetime | None = None
) -> TestRun:
    """Order a run of the certification battery; see `TestRun.cause`. run_at: not before."""
    run = TestRun(server_id=server.id, cause=cause, asked_at=work.now, result={})
    work.session.add(run)
    work.session.flush()
    work.order("test", {"run": run.id}, unique_key=f"test:{run.id}", run_at=run_at)
    return run


def latest_run(work: Work, server: Server) -> TestRun | None:
    """Return the latest run that has ended; None: there is none."""
    return work.session.scalar(
        select(TestRun)
        .where(TestRun.server_id == server.id, TestRun.ended_at.is_not(None))
        .order_by(TestRun.id.desc())
        .limit(1)
    )


def has_passed(work: Work, server: Server) -> bool:
    """Tell whether the latest test was passed."""
    run = latest_run(work, server)
    return run is not None and run.verdict == "passed"
