"""Whatever probes do in whatever order: runs end once, by what was seen, and sets take turns."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from countersign.certification.assignment import Order
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations import probes
from countersign.registrar.operations.certifications import order_test
from countersign.registrar.operations.office import SYSTEM, Office, OperationError
from countersign.registrar.operations.probe_orders import order_settling
from countersign.registrar.vault.keyring import Keyring
from countersign.storage.database.engine import Database
from countersign.storage.database.probing import Arrival, Probe, ProbeOrder
from countersign.storage.database.servers import Server, TestRun
from tests.registrar import probing
from tests.registrar.conftest import Clock
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life

NUMBER = "abcdefghijklmnop"
choices = st.integers(0, 30)
"""One of those there are: the number modulo how many."""
verdicts = st.sampled_from(["passed", "passed", "failed", "could-not-test"])


class Probing(RuleBasedStateMachine):
    """One server, and probes that come and go."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        file = self.directory / "registrar.sqlite"
        shutil.copy(self.template, file)
        url = f"sqlite:///{file}"
        config = RegistrarConfig(state_directory=self.directory, database=url)
        self.clock = Clock()
        keyring = Keyring(self.directory / "keyring.json")
        self.office = Office(config, Database(url), keyring, self.clock)
        self.probes = probing.enrol(self.office, 5)
        self.number = 5
        self.server_id = life.make_screened(self.office)
        self.given: dict[int, Order] = {}
        self.said: dict[int, tuple[str, bool]] = {}
        """By order: the verdict that was taken, and whether with a message."""
        self.arrived: set[int] = set()
        self.ended: dict[int, str] = {}

    def teardown(self) -> None:
        self.office.database.close()
        shutil.rmtree(self.directory)

    @rule(choice=choices)
    def ask(self, choice: int) -> None:
        key = self.probes[choice % len(self.probes)]
        order = probing.fetch(self.office, key)
        if order is not None:
            self.given[order.id] = order

    @rule(choice=choices, verdict=verdicts, has_message=st.booleans())
    def answer(self, choice: int, verdict: str, has_message: bool) -> None:
        if not self.given:
            return
        order = list(self.given.values())[choice % len(self.given)]
        messages = [NUMBER] if has_message else []
        result = probing.result_of(order.assignment.host, verdict, messages=messages)
        said = (verdict, has_message)
        try:
            probing.send(self.office, order.probe, order.id, result)
        except OperationError:
            assert self.said.get(order.id) != said
        else:
            assert self.said.setdefault(order.id, said) == said

    @rule(choice=choices)
    def arrive(self, choice: int) -> None:
        if not self.given:
            return
        order = list(self.given.values())[choice % len(self.given)]
        if order.id in self.arrived:
            return
        self.arrived.add(order.id)
        with self.office.work() as work:
            arrival = Arrival(order_id=order.id, kind="r", number=NUMBER, arrived_at=work.now)
            arrival.from_address, arrival.hello, arrival.head = "192.0.2.1", "mail", b""
            work.session.add(arrival)
            order_settling(work, work.session.get_one(ProbeOrder, order.id).run_id)

    @rule(minutes=st.sampled_from([1, 21, 31, 61]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    @rule(choice=choices)
    def replace_a_probe(self, choice: int) -> None:
        key = self.probes.pop(choice % len(self.probes))
        with self.office.work() as work:
            probes.revoke(work, SYSTEM, work.session.get_one(Probe, key))
        self.number += 1
        self.probes.append(probing.enrol_one(self.office, self.number))

    @rule()
    def test_again(self) -> None:
        with contextlib.suppress(OperationError), self.office.work() as work:
            order_test(work, work.session.get_one(Server, self.server_id), "staff")

    @rule()
    def do_what_is_due(self) -> None:
        assert {end for _, end in do_jobs(self.office, ("test", "settle"))} <= {"done"}
        orders = self._orders()
        for run in self._runs():
            if run.id in self.ended:
                assert run.verdict == self.ended[run.id]
            elif run.ended_at is not None:
                self.ended[run.id] = run.verdict
                if orders[run.id]:
                    assert run.verdict == self._expected(orders[run.id])

    def _expected(self, orders: list[ProbeOrder]) -> str:
        """Say what must come of a run, by what was said and came."""
        seen = [self.said.get(order.id, ("", False)) for order in orders]
        if any(
            order.id in self.arrived and has_message
            for order, (_, has_message) in zip(orders, seen, strict=True)
        ):
            return "failed"
        said = [verdict for verdict, _ in seen]
        if said.count("failed") >= 2:
            return "failed"
        if said.count("passed") >= 2 and "failed" not in said:
            return "passed"
        return "could-not-test"

    def _runs(self) -> list[TestRun]:
        with self.office.reading() as work:
            return list(work.session.scalars(select(TestRun).order_by(TestRun.id)))

    def _orders(self) -> dict[int, list[ProbeOrder]]:
        found: dict[int, list[ProbeOrder]] = defaultdict(list)
        with self.office.reading() as work:
            for order in work.session.scalars(select(ProbeOrder).order_by(ProbeOrder.id)):
                found[order.run_id].append(order)
        return found

    @invariant()
    def the_same_set_never_tests_twice_running(self) -> None:
        orders = sorted(self._orders().values(), key=lambda some: some[0].id)
        sets = [{order.probe_id for order in some} for some in orders]
        assert all(len(some) == 3 for some in sets)
        assert all(one != other for one, other in itertools.pairwise(sets))

    @invariant()
    def one_probe_at_a_time_is_at_the_host(self) -> None:
        share = datetime.timedelta(minutes=20)
        now = self.clock.now
        busy = [
            order
            for some in self._orders().values()
            for order in some
            if order.fetched_at and not order.ended_at and order.ends_at > now
        ]
        assert len([one for one in busy if one.fetched_at and one.fetched_at > now - share]) <= 1

    @invariant()
    def what_is_undecided_is_looked_at_again(self) -> None:
        for run in self._runs():
            assert (run.ended_at is None) == (run.verdict == "")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_runs_end_once_by_what_was_seen_whatever_probes_do(migrated_sqlite: Path) -> None:
    Probing.template = migrated_sqlite
    run_state_machine_as_test(
        Probing,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
