"""What follows from a relay test, and tests that somebody asks for."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from countersign.registrar.operations import test_results
from countersign.registrar.operations.office import (
    Actor,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.registrar.operations.test_results import ask_test, record_result
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import Server, ServerEvent, TestRun
from tests.registrar.operations import life

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def runs(office: Office, server_id: int) -> list[TestRun]:
    with office.reading() as work:
        statement = select(TestRun).where(TestRun.server_id == server_id).order_by(TestRun.id)
        return list(work.session.scalars(statement))


def end(office: Office, server_id: int, verdict: str, actor: Actor | None = None) -> None:
    """End the last run of a server."""
    with office.work() as work:
        run = work.session.get_one(TestRun, runs(office, server_id)[-1].id)
        result = {"outcomes": []}
        record_result(work, run, verdict, result, **({"actor": actor} if actor else {}))


def ask(office: Office, server_id: int, role: Role = Role.OWNER) -> TestRun:
    with office.reading() as work:
        owner = work.session.get_one(Server, server_id).owner_id
    actor = Actor(role, owner) if role is Role.OWNER else life.staff(office, role)
    with office.work() as work:
        return ask_test(work, actor, work.session.get_one(Server, server_id))


def state_of(office: Office, server_id: int) -> State:
    with office.reading() as work:
        return work.session.get_one(Server, server_id).state


def actions(office: Office, server_id: int) -> list[str]:
    with office.reading() as work:
        statement = select(ServerEvent.action).where(ServerEvent.server_id == server_id)
        return list(work.session.scalars(statement.order_by(ServerEvent.id)))


def letters(office: Office) -> int:
    with office.reading() as work:
        jobs = work.session.scalars(select(Job).where(Job.kind == "mail")).all()
    return len([job for job in jobs if job.payload["template"] == "event"])


def test_a_passed_test_moves_an_applicant_on(office: Office) -> None:
    server_id = life.make_screened(office)
    end(office, server_id, "passed", Actor(Role.PROBE))
    assert state_of(office, server_id) is State.TESTED
    (run,) = runs(office, server_id)
    assert (run.verdict, run.result) == ("passed", {"outcomes": []})
    assert actions(office, server_id)[-2:] == ["test-passed", "pass-test"]


def test_a_failed_test_tells_the_owner_and_changes_nothing_else(office: Office) -> None:
    server_id = life.make_screened(office)
    before = letters(office)
    end(office, server_id, "failed")
    assert state_of(office, server_id) is State.SCREENED
    assert actions(office, server_id)[-1] == "test-failed"
    assert letters(office) == before + 1


def test_a_result_counts_once(office: Office) -> None:
    server_id = life.make_screened(office)
    end(office, server_id, "failed")
    end(office, server_id, "passed")
    assert state_of(office, server_id) is State.SCREENED
    assert [run.verdict for run in runs(office, server_id)] == ["failed"]


def test_an_unknown_verdict_is_no_result(office: Office) -> None:
    server_id = life.make_screened(office)
    with pytest.raises(ValueError, match="perhaps"):
        end(office, server_id, "perhaps")
    assert runs(office, server_id)[-1].ended_at is None


def test_what_could_not_be_tested_is_tried_again_later_each_time_and_then_told(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_screened(office)
    before, pauses = letters(office), []
    for _ in test_results.RETRIES_AFTER:
        end(office, server_id, "could-not-test")
        last = runs(office, server_id)[-1]
        with office.reading() as work:
            job = work.session.scalars(select(Job).where(Job.unique_key == f"test:{last.id}")).one()
        pauses.append((job.run_at - clock.now) // datetime.timedelta(minutes=1))
        clock.now = job.run_at
    assert tuple(pauses) == test_results.RETRIES_AFTER
    assert letters(office) == before
    count = len(runs(office, server_id))
    end(office, server_id, "could-not-test")
    assert len(runs(office, server_id)) == count
    assert actions(office, server_id)[-1] == "test-impossible"
    assert letters(office) == before + 1


def test_an_owner_asks_for_another_test_after_a_failed_one(office: Office, clock: Clock) -> None:
    server_id = life.make_screened(office)
    end(office, server_id, "failed")
    clock.advance(minutes=1)
    ask(office, server_id)
    end(office, server_id, "passed")
    assert state_of(office, server_id) is State.TESTED
    assert [run.cause for run in runs(office, server_id)] == ["application", "owner"]


def test_tests_are_asked_for_with_a_pause_and_some_times_a_day(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_screened(office)
    end(office, server_id, "failed")
    ask(office, server_id)
    end(office, server_id, "failed")
    with pytest.raises(OperationError, match="10 minutes"):
        ask(office, server_id)
    for _ in range(test_results.TESTS_A_DAY - 1):
        clock.advance(minutes=test_results.PAUSE_MINUTES)
        ask(office, server_id)
        end(office, server_id, "failed")
    clock.advance(minutes=test_results.PAUSE_MINUTES)
    with pytest.raises(OperationError, match="a day"):
        ask(office, server_id)
    clock.advance(hours=24)
    ask(office, server_id)


def test_while_a_test_is_under_way_no_other_is_ordered(office: Office) -> None:
    server_id = life.make_screened(office)
    with pytest.raises(OperationError, match="under way"):
        ask(office, server_id)


def test_a_test_that_waits_to_be_tried_again_keeps_nobody_from_asking(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_screened(office)
    end(office, server_id, "could-not-test")
    clock.advance(minutes=1)
    assert ask(office, server_id).cause == "owner"


def test_nobody_is_tested_before_the_screening(office: Office) -> None:
    for server_id in (life.make_draft(office), life.make_submitted(office)):
        with pytest.raises(OperationError, match="screened"):
            ask(office, server_id)


def test_staff_asks_too_and_others_may_not(office: Office, clock: Clock) -> None:
    server_id = life.make_active(office)
    clock.advance(hours=1)
    assert ask(office, server_id, Role.ADJUDICATOR).cause == "staff"
    for role in (Role.ADMIN_CONTACT, Role.TREASURER, Role.AUDITOR):
        with pytest.raises(ForbiddenError):
            ask(office, server_id, role)


def test_an_active_server_that_fails_stays_active_and_is_told(office: Office, clock: Clock) -> None:
    server_id = life.make_active(office)
    clock.advance(hours=1)
    ask(office, server_id)
    end(office, server_id, "failed")
    assert state_of(office, server_id) is State.ACTIVE
    assert actions(office, server_id)[-1] == "test-failed"


def test_a_result_that_comes_after_the_end_is_kept_and_moves_nothing(office: Office) -> None:
    server_id = life.make_screened(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        life.move(work, server, life.Action.WITHDRAW, life.applicant_of(server))
    end(office, server_id, "passed")
    assert state_of(office, server_id) is State.WITHDRAWN
    assert runs(office, server_id)[-1].verdict == "passed"
