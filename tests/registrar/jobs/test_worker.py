"""Workers: threads that take what is ordered, as soon as it is."""

from __future__ import annotations

import datetime
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from countersign.registrar.jobs import worker as worker_module
from countersign.registrar.jobs.bell import Bell
from countersign.registrar.jobs.kinds import Kind, Lane
from countersign.registrar.jobs.queue import Task, claim
from countersign.registrar.jobs.schedule import DAILY, order_daily
from countersign.registrar.jobs.worker import Workers, worker_name
from countersign.registrar.operations.office import Office, utc_now
from countersign.storage.database.engine import Database
from countersign.storage.database.jobs import Job, JobState
from tests.registrar.conftest import Clock

LEASE = datetime.timedelta(seconds=60)
_KILL_LISTENERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
)


class Doing:
    """A kind of job whose acts can be watched and held back."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.begun = threading.Event()
        self.changed = threading.Condition()
        self.may_end = threading.Event()
        self.may_end.set()

    def act(self, office: Office, task: Task) -> None:
        self.begun.set()
        assert self.may_end.wait(10)
        with self.changed:
            self.done.append(task.payload)
            self.changed.notify_all()

    def wait_for(self, number: int, seconds: float = 10) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.done) >= number, seconds)

    def kinds(self) -> dict[str, Kind]:
        return {
            "do": Kind(Lane.PROMPT, self.act),
            "slow": Kind(Lane.LONG, self.act),
            DAILY: Kind(Lane.LONG),
        }


@pytest.fixture
def doing() -> Iterator[Doing]:
    made = Doing()
    yield made
    made.may_end.set()


@pytest.fixture
def real(office: Office) -> Office:
    """The office by the real clock."""
    return replace(office, clock=utc_now)


def states(office: Office, kind: str = "do") -> list[JobState]:
    with office.reading() as work:
        return list(work.session.scalars(select(Job.state).where(Job.kind == kind)))


def test_what_is_ordered_is_done_at_once(
    real: Office, doing: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the bell it would be found after an hour only.
    monkeypatch.setattr(worker_module, "LOOK_SECONDS", 3600)
    with Workers(real, doing.kinds(), threads=1) as workers:
        for number in range(3):
            with real.work() as work:
                work.order("do", {"n": number})
            doing.wait_for(number + 1, 5)
        workers.stop(5)
    assert states(real) == [JobState.DONE] * 3


def test_what_another_process_orders_is_done_at_once(
    real: Office, doing: Doing, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_url.startswith("sqlite"):
        # SQLite calls nobody: workers look once a second.
        monkeypatch.setattr(worker_module, "LOOK_SECONDS", 0.2)
    else:
        monkeypatch.setattr(worker_module, "LOOK_SECONDS", 3600)
    other = replace(real, database=Database(database_url))
    with Workers(real, doing.kinds(), threads=1):
        with other.work() as work:
            work.order("do", {"n": 1})
        doing.wait_for(1, 5)
    other.database.close()


def test_a_long_job_keeps_no_prompt_one_waiting(real: Office, doing: Doing) -> None:
    doing.may_end.clear()
    prompt = Doing()
    kinds = {**doing.kinds(), "do": Kind(Lane.PROMPT, prompt.act)}
    with Workers(real, kinds, threads=1) as workers:
        with real.work() as work:
            work.order("slow", {})
        assert doing.begun.wait(5)
        with real.work() as work:
            work.order("do", {})
        prompt.wait_for(1, 5)
        doing.may_end.set()
        workers.stop(5)
    assert states(real, "slow") == [JobState.DONE]


def test_a_stop_lets_jobs_end_and_begins_none(real: Office, doing: Doing) -> None:
    doing.may_end.clear()
    workers = Workers(real, doing.kinds(), threads=1)
    with workers:
        with real.work() as work:
            work.order("do", {"n": 1})
            work.order("do", {"n": 2})
        assert doing.begun.wait(5)
        stopping = threading.Thread(target=workers.stop, args=(10,))
        stopping.start()
        while not workers._stopping.is_set():
            threading.Event().wait(0.01)
        doing.may_end.set()
        stopping.join(10)
    assert doing.done == [{"n": 1}]
    assert sorted(states(real)) == [JobState.DONE, JobState.WAITING]


def test_a_job_that_does_not_end_is_left_to_another_worker_at_once(
    real: Office, doing: Doing
) -> None:
    doing.may_end.clear()
    with Workers(real, doing.kinds(), threads=1) as workers:
        with real.work() as work:
            work.order("do", {"n": 1})
        assert doing.begun.wait(5)
        workers.stop(0.1)
        assert claim(real, "another", ["do"], LEASE) is not None


def test_a_restart_takes_over_what_a_dead_process_held(real: Office, doing: Doing) -> None:
    with real.work() as work:
        work.order("do", {"n": 1})
    host, _, lot = worker_name().split("/")
    # No process has this number: Linux has at most 2²² of them.
    claim(real, f"{host}/4194305/{lot}", ["do"], datetime.timedelta(hours=1))
    with Workers(real, doing.kinds(), threads=1):
        doing.wait_for(1, 5)


def test_a_restart_leaves_what_living_processes_and_other_hosts_hold(
    real: Office, doing: Doing
) -> None:
    for name in (worker_name(), "elsewhere/4194305/00"):
        with real.work() as work:
            work.order("do", {})
        assert claim(real, name, ["do"], datetime.timedelta(hours=1)) is not None
    with Workers(real, doing.kinds(), threads=1):
        pass
    with real.reading() as work:
        assert all(work.session.scalars(select(Job.worker).where(Job.kind == "do")))


def test_workers_outlive_a_database_that_is_away(
    real: Office, doing: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_PAUSE_SECONDS", 0.05)
    away = threading.Event()

    def broken() -> datetime.datetime:
        if away.is_set():
            raise OSError
        return utc_now()

    with Workers(replace(real, clock=broken), doing.kinds(), threads=1):
        away.set()
        with real.work() as work:
            work.order("do", {})
        threading.Event().wait(0.2)
        away.clear()
        doing.wait_for(1, 5)


def test_each_day_is_ordered_once_whoever_comes_first(office: Office, clock: Clock) -> None:
    done = []
    threads = [threading.Thread(target=lambda: done.append(order_daily(office))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 5 + [True]
    assert not order_daily(office)
    clock.advance(days=1)
    assert order_daily(office)


def test_workers_order_the_day_by_themselves(real: Office, doing: Doing) -> None:
    with Workers(real, doing.kinds(), threads=1):
        deadline = utc_now() + datetime.timedelta(seconds=5)
        while states(real, DAILY) != [JobState.DONE]:
            assert utc_now() < deadline
            threading.Event().wait(0.02)


def test_names_of_workers_differ_and_fit() -> None:
    names = {worker_name() for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) <= 64 for name in names)
    assert all(name.startswith(socket.gethostname()[:32]) for name in names)


def test_a_transaction_that_is_rolled_back_rings_no_bell(office: Office) -> None:
    with Bell(office.database) as bell:
        bell.wait(0, 1)
        seen = bell.count
        with pytest.raises(RuntimeError), office.work() as work:
            work.order("do", {})
            work.session.flush()
            raise RuntimeError
        bell.wait(seen, 0.2)
        assert bell.count == seen
        with office.work() as work:
            work.order("do", {})
        bell.wait(seen, 5)
        assert bell.count > seen


def test_an_order_of_another_process_rings_the_bell(office: Office) -> None:
    # Its commits are not this engine's own: it stands for the command line.
    other = Database(office.database.engine.url.render_as_string(hide_password=False))
    try:
        with Bell(office.database) as bell:
            bell.wait(0, 5)
            seen = bell.count
            with replace(office, database=other).work() as work:
                work.order("do", {})
            bell.wait(seen, 5)
            assert bell.count > seen
    finally:
        other.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_listening_goes_on_after_the_connection_was_lost(
    real: Office, doing: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countersign.storage.database import watching

    monkeypatch.setattr(watching, "_PAUSE_SECONDS", 0.05)
    with Bell(real.database) as bell:
        bell.wait(0, 5)
        seen = bell.count
        with real.work() as work:
            work.session.execute(_KILL_LISTENERS)
        # It rings when it listens again: something may have been missed.
        bell.wait(seen, 5)
        assert bell.count > seen
        seen = bell.count
        with real.database.engine.begin() as connection:
            connection.exec_driver_sql("NOTIFY countersign_job")
        bell.wait(seen, 5)
        assert bell.count > seen
