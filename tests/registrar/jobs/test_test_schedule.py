"""Registered servers are tested again at times that nobody knows before."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from countersign.registrar.jobs import daily
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.test_schedule import order_due_tests
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import Server, TestRun
from tests.registrar.operations import life
from tests.registrar.operations.at_once import at_once

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def server_of(office: Office, server_id: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, server_id)


def scheduled(office: Office) -> list[TestRun]:
    with office.reading() as work:
        return list(work.session.scalars(select(TestRun).where(TestRun.cause == "schedule")))


def test_an_active_server_is_given_a_time_and_nothing_that_people_see_changes(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_active(office)
    before = server_of(office, server_id)
    assert order_due_tests(office) == 0
    after = server_of(office, server_id)
    assert after.next_test_at is not None
    days = (after.next_test_at - clock.now) / datetime.timedelta(days=1)
    mean = office.config.certification.interval_days
    assert 0.5 * mean <= days <= 1.5 * mean
    assert after.version == before.version
    order_due_tests(office)
    assert server_of(office, server_id).next_test_at == after.next_test_at


def test_a_due_server_is_tested_within_a_day_and_given_its_next_time(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_active(office)
    daily.run_daily(office)
    due = server_of(office, server_id).next_test_at
    assert due is not None
    clock.now = due
    assert order_due_tests(office) == 1
    (run,) = scheduled(office)
    with office.reading() as work:
        job = work.session.scalars(select(Job).where(Job.unique_key == f"test:{run.id}")).one()
    assert clock.now <= job.run_at <= clock.now + datetime.timedelta(days=1)
    following = server_of(office, server_id).next_test_at
    assert following is not None
    assert following > clock.now
    assert order_due_tests(office) == 0
    assert len(scheduled(office)) == 1


def test_only_active_servers_are_tested_of_themselves(office: Office, clock: Clock) -> None:
    life.make_screened(office)
    suspended = life.make_suspended(office)
    with office.work() as work:
        work.session.execute(update(Server).values(next_test_at=clock.now))
    assert order_due_tests(office) == 0
    assert server_of(office, suspended).next_test_at == clock.now


def test_a_server_whose_test_is_under_way_is_not_tested_beside_it(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_active(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        work.session.add(TestRun(server_id=server.id, cause="staff", asked_at=work.now, result={}))
        work.session.execute(update(Server).values(next_test_at=clock.now))
    assert order_due_tests(office) == 1
    assert scheduled(office) == []


def test_two_that_do_the_daily_work_at_once_order_a_test_once(office: Office, clock: Clock) -> None:
    for _ in range(3):
        life.make_active(office)
    with office.work() as work:
        work.session.execute(update(Server).values(next_test_at=clock.now))
    counts = at_once(lambda: order_due_tests(office), lambda: order_due_tests(office))
    assert sum(one for one in counts if isinstance(one, int)) == 3
    assert len(scheduled(office)) == 3


def test_an_interval_of_nothing_means_never(office: Office) -> None:
    server_id = life.make_active(office)
    assert order_due_tests(life.configured(office, certification={"interval_days": 0})) == 0
    assert server_of(office, server_id).next_test_at is None
