"""What follows from the result of a relay test, and tests that somebody asks for (DESIGN §8)."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from countersign.registrar.operations import sending_tests
from countersign.registrar.operations.access import require
from countersign.registrar.operations.certifications import NOT_TESTED, order_test
from countersign.registrar.operations.control import NOT_PROVEN, is_proven
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.office import SYSTEM, Actor, OperationError, Work
from countersign.registrar.operations.transitions import add_event, move
from countersign.rules.access import Permission
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import STAFF
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import Server, TestRun

PAUSE_MINUTES = 10
"""Between two tests that somebody asks for."""
TESTS_A_DAY = 10
RETRIES_AFTER = (15, 60, 240, 720, 1440)
"""Minutes after which a test that could not be made is made again: a day and a half in all."""
_TROUBLE_MINUTES = 60
"""Until a test is tried again that failed for the registrar's own trouble, e.g. too few probes."""
_UNDER_WAY = datetime.timedelta(hours=1)
"""A test that has not ended so long after it should have is no reason to wait."""


class TestVerdict(StrEnum):
    """How a run of the battery ended; see `TestRun.verdict`."""

    __test__ = False
    """Not a test of ours, whatever its name says."""
    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_TEST = "could-not-test"


def record_result(
    work: Work,
    run: TestRun,
    verdict: str,
    result: dict[str, Any],
    *,
    differs: bool = False,
    actor: Actor = SYSTEM,
) -> None:
    """Store how a run ended, and do what follows from it; a run ends once.

    result: `Report.to_dict()`, or empty: there is none. differs: see `TestRun`. Raises
    :class:`ValueError` for an unknown verdict.
    """
    ending = TestVerdict(verdict)
    server = work.session.get_one(Server, run.server_id)
    hold(work, server)
    hold(work, run)
    if run.ended_at is not None:
        return
    run.ended_at, run.verdict, run.result, run.differs = work.now, ending, result, differs
    work.session.flush()
    if server.state in NOT_TESTED:
        return
    if differs:
        details = {"run": run.id, "verdict": str(ending)}
        add_event(work, server, Deed.PERSPECTIVES_DIFFER, actor, details=details)
    if ending is TestVerdict.PASSED:
        add_event(work, server, Deed.TEST_PASSED, actor, details={"run": run.id})
        if server.state is State.SCREENED and not sending_tests.is_awaited(work, server):
            move(work, server, Action.PASS_TEST, actor, details={"run": run.id})
    elif ending is TestVerdict.FAILED:
        _tell(work, server, run, Deed.TEST_FAILED, actor)
    else:
        _try_again(work, server, run, actor)


def _tell(work: Work, server: Server, run: TestRun, deed: Deed, actor: Actor) -> None:
    event = add_event(work, server, deed, actor, details={"run": run.id})
    notify_of_event(work, server, event)


def _try_again(work: Work, server: Server, run: TestRun, actor: Actor) -> None:
    """Order the test again, later each time; when it has not gone for days, say so."""
    if run.trouble:
        # Nothing that the owner could mend: it is no step towards giving up.
        _order_again(work, server, run, _TROUBLE_MINUTES)
        return
    failures = 0
    for verdict in work.session.scalars(
        select(TestRun.verdict)
        .where(TestRun.server_id == server.id, TestRun.ended_at.is_not(None), TestRun.trouble == "")
        .order_by(TestRun.id.desc())
        .limit(len(RETRIES_AFTER) + 1)
    ):
        if verdict != TestVerdict.COULD_NOT_TEST:
            break
        failures += 1
    if failures > len(RETRIES_AFTER):
        _tell(work, server, run, Deed.TEST_IMPOSSIBLE, actor)
        return
    _order_again(work, server, run, RETRIES_AFTER[failures - 1])


def _order_again(work: Work, server: Server, run: TestRun, minutes: int) -> None:
    if open_run(work, server) is None:
        pause = datetime.timedelta(minutes=minutes)
        order_test(work, server, run.cause, run_at=work.now + pause)


def ask_test(work: Work, actor: Actor, server: Server) -> TestRun:
    """Order a test because somebody asks for it. Raises :class:`OperationError`: too often."""
    require(actor, Permission.ASK_TEST)
    hold(work, server)
    if server.state in NOT_TESTED:
        raise OperationError("Servers are tested once their application has been screened.")
    if not is_proven(server):
        raise OperationError(NOT_PROVEN)
    since = work.now - datetime.timedelta(hours=24)
    asked = work.session.scalars(
        select(TestRun.asked_at)
        .where(
            TestRun.server_id == server.id,
            TestRun.cause.in_(("owner", "staff")),
            TestRun.asked_at > since,
        )
        .order_by(TestRun.id.desc())
    ).all()
    if asked and work.now - asked[0] < datetime.timedelta(minutes=PAUSE_MINUTES):
        raise OperationError(f"A test was asked for just now: wait {PAUSE_MINUTES} minutes.")
    if len(asked) >= TESTS_A_DAY:
        raise OperationError(f"A server is tested {TESTS_A_DAY} times a day at most.")
    run = open_run(work, server)
    if run is not None and _is_due(work, run):
        raise OperationError("A test is under way: wait for its result.")
    run = order_test(work, server, "staff" if actor.role in STAFF else "owner")
    add_event(work, server, Deed.TEST_ASKED, actor, details={"run": run.id})
    return run


def open_run(work: Work, server: Server) -> TestRun | None:
    """Return the run that was ordered last, if it has not ended."""
    return work.session.scalar(
        select(TestRun)
        .where(
            TestRun.server_id == server.id,
            TestRun.ended_at.is_(None),
            TestRun.asked_at > work.now - _longest(work),
        )
        .order_by(TestRun.id.desc())
        .limit(1)
    )


def _longest(work: Work) -> datetime.timedelta:
    """Return how long a run takes at most."""
    settings = work.config.certification
    return _UNDER_WAY + datetime.timedelta(
        minutes=settings.order_minutes + settings.arrival_minutes
    )


def _is_due(work: Work, run: TestRun) -> bool:
    """Tell whether a run is not one that waits to be tried again."""
    run_at = work.session.scalar(select(Job.run_at).where(Job.unique_key == f"test:{run.id}"))
    return run_at is None or run_at <= work.now
