"""Workers killed at any moment: nothing that was ordered is lost, and nothing is done twice."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from countersign.demo.dns_server import DnsServer
from countersign.registrar.jobs.queue import counts
from countersign.registrar.operations.office import Office, utc_now
from countersign.rules.life_cycle import PUBLISHED, TRANSITIONS, Action, Effect, State
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.money import Invoice, InvoiceState, Transfer
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.publication import MonthCount, StateCount
from countersign.storage.database.servers import Server, ServerEvent
from tests.registrar.jobs.doing import letters
from tests.registrar.jobs.killing import COUNTED, Story, start_worker
from tests.registrar.operations import treasury
from tests.registrar.publishing.checking import check_journal, check_published
from tests.registrar.web.resolving import name_server

KILLS = {"sqlite": 100, "postgresql": 40}
# Workers that hardly get on must not be given more than they can do after the last kill.
MAX_WAITING = 200


@pytest.fixture
def resolver() -> Iterator[DnsServer]:
    """A resolver that knows none of the names."""
    with name_server() as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_workers_lose_nothing_and_do_nothing_twice(
    office: Office, resolver: DnsServer
) -> None:
    config = office.config
    config = config.model_copy(
        update={
            "lease_seconds": 0.5,
            "certification": config.certification.model_copy(
                update={"nameservers": (resolver.endpoint,)}
            ),
            "money": config.money.model_copy(update={"reply_days": 0}),
        }
    )
    office = replace(office, config=config, clock=utc_now)
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    story, draw = Story(office, seed), random.Random(seed)
    kills = KILLS[office.database.engine.dialect.name]
    for number in itertools.count():
        # On a busy machine the servers' lives are slow: all that is to be seen has to happen.
        if number >= kills and (story.forfeitures or number >= 5 * kills):
            break
        workers = [
            start_worker(config, is_first_of_its_host=number % 2 == 0)
            for _ in range(1 if office.database.is_sqlite else 2)
        ]
        end = time.monotonic() + draw.uniform(0.05, 0.5)
        while time.monotonic() < end:
            if _waiting(office) < MAX_WAITING:
                story.go_on()
            else:
                time.sleep(0.02)
        for worker in workers:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
    last = start_worker(config, is_first_of_its_host=True)
    _wait_until_all_is_done(office)
    assert last.is_alive()
    last.kill()
    last.join()
    print(f"steps {story.steps}")
    _check_that_kills_hit(office)
    _check_count(office, story.steps)
    _check_letters(office)
    _check_effects_of_jobs(office)
    check_published(office)
    check_journal(office, {})
    treasury.check_ledger(office)


def _waiting(office: Office) -> int:
    with office.reading() as work:
        return sum(counts(work).values())


def _wait_until_all_is_done(office: Office) -> None:
    """However slow the machine: it is only an error if nothing is done for a minute."""
    fewest, deadline = _waiting(office), time.monotonic() + 60
    while (waiting := _waiting(office)) > 0:
        if waiting < fewest:
            fewest, deadline = waiting, time.monotonic() + 60
        assert time.monotonic() < deadline, f"{waiting} jobs wait"
        time.sleep(0.1)


def _check_that_kills_hit(office: Office) -> None:
    """The test would show nothing if workers were always killed between two jobs."""
    with office.reading() as work:
        assert set(work.session.scalars(select(Job.state))) == {JobState.DONE}
        repeated = work.session.scalars(select(Job.kind).where(Job.attempts > 1)).all()
    print("jobs taken over:", Counter(repeated))
    assert len(repeated) >= 5


def _check_count(office: Office, ordered: int) -> None:
    with office.reading() as work:
        counted = work.session.scalars(
            select(MonthCount.count).where(MonthCount.kind == COUNTED)
        ).all()
    assert sum(counted) == ordered


def _check_letters(office: Office) -> None:
    """Each letter that was ordered is there once, and there is no other."""
    found = letters(office)
    keys = Counter(int(str(one["Message-ID"]).split("-")[1]) for one in found)
    assert set(keys.values()) == {1}
    with office.reading() as work:
        ordered = {
            job.id: job.payload
            for job in work.session.scalars(select(Job).where(Job.kind == "mail"))
        }
        open_invoices = set(
            work.session.scalars(select(Invoice.id).where(Invoice.state == InvoiceState.OPEN))
        )
        told = {(one["event"], one["account"]) for one in ordered.values() if "event" in one}
        events = work.session.scalars(select(ServerEvent)).all()
        servers = {one.id: one for one in work.session.scalars(select(Server))}
    assert keys.keys() <= ordered.keys()
    # An invoice that was paid before its letter was written is not sent.
    unsent = [ordered[key] for key in ordered.keys() - keys.keys()]
    assert {one["template"] for one in unsent} <= {"invoice"}
    assert not {one["invoice"] for one in unsent} & open_invoices
    for event in events:
        row = event.from_state and TRANSITIONS.get((event.from_state, event.action))  # type: ignore[call-overload]
        if row and Effect.NOTIFY in row.effects:
            assert (event.id, servers[event.server_id].owner_id) in told


def _check_effects_of_jobs(office: Office) -> None:
    """What jobs did to the data is there once for each cause."""
    with office.reading() as work:
        events = work.session.scalars(select(ServerEvent)).all()
        made = Counter((one.server_id, one.action) for one in events)
        servers = work.session.scalars(select(Server)).all()
        fees = Counter(work.session.scalars(select(Invoice.server_id).where(Invoice.kind == "fee")))
        decided = work.session.scalars(select(Forfeiture)).all()
        taken = Counter(
            work.session.scalars(
                select(Transfer.reference).where(Transfer.reference.startswith("forfeiture:"))
            )
        )
        figures = {row.state: row.servers for row in work.session.scalars(select(StateCount))}
        states = work.session.scalars(select(Server.state)).all()
    actual = Counter(states)
    for server in servers:
        assert made[server.id, Action.PASS_TEST] == made[server.id, Action.OFFER] == 1
        assert fees[server.id] == 1
    assert decided
    assert {one.state for one in decided} == {ForfeitureState.EXECUTED}
    assert sum(made[one.id, "forfeited"] for one in servers) == len(decided)
    assert set(taken.values()) <= {1}
    # Rows are made as screened here: all else is counted by transitions.
    for state in (State.OFFERED, *PUBLISHED, State.WITHDRAWN):
        assert figures.get(state, 0) == actual[state]
