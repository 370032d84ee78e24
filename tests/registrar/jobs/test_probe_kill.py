"""The registrar killed at any moment of a test by probes: no result is lost, none counts twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from dataclasses import replace
from multiprocessing.process import BaseProcess

import pytest
from sqlalchemy import select

from countersign.certification.report import Report
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations import test_results
from countersign.registrar.operations.office import Office, utc_now
from countersign.registrar.operations.probe_orders import order_settling
from countersign.registrar.state import database_url, keyring_file
from countersign.registrar.vault.keyring import Keyring
from countersign.rules.life_cycle import State
from countersign.storage.database.engine import Database
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.probing import Arrival, ProbeOrder
from countersign.storage.database.servers import Server, ServerEvent, TestRun
from tests.registrar import probing
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.jobs.killing import start_worker
from tests.registrar.operations import life

SERVERS = 12
NUMBER = "abcdefghijklmnop"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def start_probes(config: RegistrarConfig, keys: list[int]) -> BaseProcess:
    """Start a process that takes orders and results for probes, as the registrar's website does."""
    process = _context.Process(target=_answer_probes, args=(config, keys), daemon=True)
    process.start()
    return process


def _answer_probes(config: RegistrarConfig, keys: list[int]) -> None:
    office = Office(config, Database(database_url(config)), Keyring(keyring_file(config)))
    while True:
        for key in keys:
            order = probing.fetch(office, key)
            if order is not None:
                probing.send(office, key, order.id, probing.result_of(order.assignment.host))
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_registrar_killed_between_orders_results_and_verdicts_loses_nothing(
    office: Office,
) -> None:
    config = office.config.model_copy(update={"lease_seconds": 0.5})
    keys = probing.enrol(office, 4)
    for _ in range(SERVERS):
        life.make_screened(office)
    office = replace(office, config=config, clock=utc_now)
    draw = random.Random(25)
    kills = 0
    deadline = time.monotonic() + 200
    while _passed(office) < SERVERS:
        assert time.monotonic() < deadline
        processes = [
            start_worker(config, is_first_of_its_host=kills % 2 == 0),
            start_probes(config, keys),
        ]
        # Longer in the end: all that is to be seen has to happen.
        time.sleep(draw.uniform(0.05, 0.4) * (1 + kills / 40))
        for process in processes:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        kills += 1
    print(f"kills: {kills}")
    assert kills > 3
    _check_that_all_counted_once(office)


def _passed(office: Office) -> int:
    with office.reading() as work:
        verdicts = work.session.scalars(select(TestRun.verdict)).all()
    return verdicts.count("passed")


def _check_that_all_counted_once(office: Office) -> None:
    with office.reading() as work:
        runs = work.session.scalars(select(TestRun)).all()
        orders = Counter(work.session.scalars(select(ProbeOrder.run_id)))
        events = Counter(
            (one.server_id, one.action) for one in work.session.scalars(select(ServerEvent))
        )
        servers = work.session.scalars(select(Server)).all()
    assert [run.verdict for run in runs] == ["passed"] * SERVERS
    assert set(orders.values()) == {3}
    for run in runs:
        report = Report.from_dict(run.result)
        assert all(one.result is not None for one in report.perspectives)
    for server in servers:
        assert server.state is not State.SCREENED
        assert events[server.id, "test-passed"] == events[server.id, "pass-test"] == 1


def test_a_registrar_that_ends_between_a_result_and_its_look_finds_the_look_ordered(
    office: Office,
) -> None:
    keys = probing.enrol(office, 3)
    server_id = life.make_screened(office)
    do_jobs(office, ["test"])
    for key in keys:
        order = probing.fetch(office, key)
        assert order is not None
        probing.send(office, key, order.id, probing.result_of(order.assignment.host))
    # Nothing else is done here: another process finds it.
    with Database(office.config.database or "").reading() as session:
        due = session.scalars(
            select(Job).where(Job.kind == "settle", Job.state == JobState.WAITING)
        ).all()
        assert [one.payload for one in due].count({"run": 1}) == 4
    do_jobs(office, ["settle"])
    with office.reading() as work:
        assert work.session.get_one(Server, server_id).state is State.TESTED


def test_what_breaks_off_while_a_verdict_is_stored_leaves_all_as_it_was(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = probing.enrol(office, 3)
    life.make_screened(office)
    do_jobs(office, ["test"])
    for key in keys:
        order = probing.fetch(office, key)
        assert order is not None
        result = probing.result_of(order.assignment.host, messages=[NUMBER])
        probing.send(office, key, order.id, result)
        with office.work() as work:
            arrival = Arrival(order_id=order.id, kind="r", number=NUMBER, arrived_at=work.now)
            arrival.from_address, arrival.hello, arrival.head = "192.0.2.1", "mail", b""
            work.session.add(arrival)
            order_settling(work, 1)

    def fail(*_arguments: object, **_named: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(test_results, "notify_of_event", fail)
        assert ("settle", "later") in do_jobs(office, ["settle"])
    with office.reading() as work:
        assert not work.session.get_one(TestRun, 1).ended_at
        assert all(one.result for one in work.session.scalars(select(ProbeOrder)))
    office.clock.advance(minutes=1)  # type: ignore[attr-defined]
    do_jobs(office, ["settle"])
    with office.reading() as work:
        assert work.session.get_one(TestRun, 1).verdict == "failed"
