"""Publishers killed at any moment: what was published stays so, and all is published at the end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import ConflictError, Office, utc_now
from countersign.registrar.publishing.copies import open_zone_copy, zone_directory
from countersign.registrar.publishing.publisher import ensure_published
from countersign.registry.copy.errors import NoCopyError
from countersign.rules.life_cycle import State
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.publication import ZoneVersion
from tests.registrar.publishing.checking import Nodes, check_journal, check_published, versions
from tests.registrar.publishing.killing import MOMENTS, start_publisher
from tests.registrar.publishing.making import add_server, change

KILLS = {"sqlite": 40, "postgresql": 20}
STATES = (State.ACTIVE, State.SUSPENDED, State.LAPSED)


@pytest.fixture
def config(office: Office) -> RegistrarConfig:
    # Job leases short enough to be waited for.
    return office.config.model_copy(update={"lease_seconds": 0.5})


@pytest.fixture
def office(office: Office) -> Office:
    return replace(office, clock=utc_now)


def look(office: Office, seen: dict[int, Nodes]) -> None:
    """Read what the copy says, as its readers do; what it said once of a version it says again."""
    if not zone_directory(office.config).exists():
        return
    with open_zone_copy(office) as copy:
        if copy.meta() is None:
            return
        with copy.reader().snapshot() as snapshot:
            nodes = dict(snapshot.nodes())
            assert seen.setdefault(snapshot.meta.serial, nodes) == nodes


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def count_versions(office: Office) -> int:
    with office.reading() as work:
        return work.session.scalar(select(func.count(ZoneVersion.id))) or 0


def is_all_published(office: Office) -> bool:
    """Tell whether no order waits, and the copy is the last version."""
    with office.reading() as work:
        states = work.session.scalars(select(Job.state).where(Job.kind == "publish"))
        if not set(states) <= {JobState.DONE}:
            return False
    try:
        with open_zone_copy(office, writable=False) as copy:
            meta = copy.meta()
    except NoCopyError:
        return False
    return meta is not None and meta.serial == versions(office)[-1].serial


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_publishers_leave_journal_and_copy_right(
    office: Office, config: RegistrarConfig
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    draw = random.Random(seed)
    servers = [
        add_server(office, f"m{one}.example.org", State.ACTIVE, "", f"192.0.2.{one % 9}")
        for one in range(40)
    ]
    seen: dict[int, Nodes] = {}
    ensure_published(office)
    for number in range(KILLS[office.database.engine.dialect.name]):
        publisher = start_publisher(config)
        # Some are killed at their start, and some after they have published something.
        wanted = count_versions(office) + draw.randrange(4)
        begin, least = time.monotonic(), draw.uniform(0.05, 0.4)
        while not (least < time.monotonic() - begin and count_versions(office) >= wanted):
            assert time.monotonic() - begin < 60
            try:
                change(
                    office,
                    draw.choice(servers),
                    state=draw.choice(STATES),
                    public_reason=f"{number}",
                )
            except ConflictError:
                continue
            look(office, seen)
        assert publisher.pid is not None
        os.kill(publisher.pid, signal.SIGKILL)
        publisher.join()
        look(office, seen)
        if draw.random() < 0.1:
            shutil.rmtree(zone_directory(config))
    last = start_publisher(config)
    wait_until(lambda: is_all_published(office))
    last.kill()
    last.join()
    seen[versions(office)[-1].serial] = check_published(office)
    check_journal(office, seen)
    print(f"{len(versions(office))} versions, {len(seen)} seen")
    assert len(versions(office)) > 10


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_publisher_killed_at_this_moment_is_followed_by_one_that_goes_on(
    office: Office, config: RegistrarConfig, moment: str
) -> None:
    servers = [add_server(office, f"m{one}.example.org") for one in range(5)]
    ensure_published(office)
    seen: dict[int, Nodes] = {}
    look(office, seen)
    change(office, servers[0], state=State.SUSPENDED, public_reason="spam")
    if "new" in moment:
        shutil.rmtree(zone_directory(config))
    killed = start_publisher(config, moment)
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    look(office, seen)
    after = start_publisher(config)
    wait_until(lambda: is_all_published(office))
    after.kill()
    after.join()
    seen[versions(office)[-1].serial] = check_published(office)
    check_journal(office, seen)
    assert len(versions(office)) == 2
