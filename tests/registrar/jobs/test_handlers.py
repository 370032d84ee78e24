"""What is done for each kind of job."""

from __future__ import annotations

import ast
import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import countersign.registrar
from countersign.certification.settings import Standing
from countersign.registrar.config import DomainAge
from countersign.registrar.jobs import daily
from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.jobs.kinds import TryLaterError
from countersign.registrar.operations.applications import withdraw
from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import IdempotentAnswer, OneTimeToken
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.screening import DomainAgeRecord
from countersign.storage.database.servers import Server, TestRun
from tests.registrar import probing
from tests.registrar.conftest import Clock
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life


def ordered_kinds() -> Iterator[str]:
    """Give the kinds of job that the registrar's code orders, by reading it."""
    for file in Path(countersign.registrar.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "order"
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                yield str(node.args[0].value)


def test_every_kind_of_job_that_is_ordered_is_done() -> None:
    assert set(ordered_kinds()) <= KINDS.keys()


def state_of(office: Office, server_id: int) -> State:
    with office.reading() as work:
        return work.session.get_one(Server, server_id).state


def test_a_submission_is_screened_and_the_age_of_its_domain_asked_for(office: Office) -> None:
    # Nobody answers there: after some attempts the age is unknown, and a screener may enter it.
    settings = DomainAge(servers=("http://127.0.0.1:9/",), bootstrap="", timeout=1)
    office = replace(office, config=office.config.model_copy(update={"domain_age": settings}))
    server_id = life.make_submitted(office)
    assert ("screen", "done") in do_jobs(office, ["screen"])
    ends = []
    for _ in range(3):
        ends += do_jobs(office, ["domain-age"])
        assert isinstance(office.clock, Clock)
        office.clock.advance(hours=1)
    assert ends == [("domain-age", "later"), ("domain-age", "later"), ("domain-age", "done")]
    with office.reading() as work:
        records = work.session.scalars(select(DomainAgeRecord)).all()
        assert [(one.server_id, one.registered_on) for one in records] == [(server_id, None)]


def test_a_server_that_cannot_be_reached_is_neither_passed_nor_failed(office: Office) -> None:
    keys = probing.enrol(office)
    server_id = life.make_screened(office)
    assert do_jobs(office, ["test"]) == [("test", "done")]
    settings = Standing(networks=(probing.LOOPBACK,), nameservers=("127.0.0.1:9",))
    assert probing.do_orders(office, keys, settings) == 3
    assert set(do_jobs(office, ["settle"])) == {("settle", "done")}
    assert state_of(office, server_id) is State.SCREENED
    with office.reading() as work:
        verdicts = work.session.scalars(select(TestRun.verdict).order_by(TestRun.id)).all()
    # Another one is ordered for later.
    assert verdicts == ["could-not-test", ""]


def test_nobody_is_tested_whose_application_has_ended(office: Office) -> None:
    server_id = life.make_screened(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        withdraw(work, life.applicant_of(server), server, seen_version=server.version)
    assert do_jobs(office, ["test"]) == [("test", "done")]
    with office.reading() as work:
        run = work.session.scalars(select(TestRun)).one()
        assert (run.verdict, run.result) == ("could-not-test", {})


def test_a_passed_test_leads_to_an_offer(office: Office) -> None:
    server_id = life.make_tested(office)
    assert do_jobs(office, ["offer"]) == [("offer", "done")]
    assert state_of(office, server_id) is State.OFFERED


def test_an_offer_that_is_not_taken_up_ends_by_the_daily_work(office: Office, clock: Clock) -> None:
    server_id = life.make_tested(office)
    do_jobs(office, ["offer"])
    daily.run_daily(office)
    assert state_of(office, server_id) is State.OFFERED
    clock.advance(days=office.config.money.offer_days + 1)
    daily.run_daily(office)
    assert state_of(office, server_id) is State.WITHDRAWN
    daily.run_daily(office)


def test_the_daily_work_removes_what_has_expired(office: Office, clock: Clock) -> None:
    from countersign.registrar.operations.accounts import ask_reset

    life.make_account(office, "zoe@muller.com.au")
    with office.work() as work:
        ask_reset(work, "zoe@muller.com.au")
    do_jobs(office)
    clock.advance(days=29)
    daily.run_daily(office)
    with office.reading() as work:
        assert work.session.scalars(select(OneTimeToken)).all()
    clock.advance(days=2)
    daily.run_daily(office)
    with office.reading() as work:
        assert not work.session.scalars(select(OneTimeToken)).all()
        assert not work.session.scalars(select(IdempotentAnswer)).all()
        assert not work.session.scalars(select(Job).where(Job.state == JobState.DONE)).all()


def test_a_daily_step_that_fails_stops_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def fail(_office: Any) -> None:
        raise ZeroDivisionError

    steps = {"first": done.append, "second": fail, "third": done.append}
    monkeypatch.setattr(daily, "STEPS", steps)
    with pytest.raises(TryLaterError, match="failed: second"):
        daily.run_daily(office)
    assert len(done) == 2


def test_all_daily_steps_do_no_harm_when_repeated(office: Office, clock: Clock) -> None:
    life.make_tested(office)
    do_jobs(office, ["offer"])
    for _ in range(2):
        daily.run_daily(office)
    assert isinstance(clock.now, datetime.datetime)
