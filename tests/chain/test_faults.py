"""What may happen to a registrar: kills, a journal that was cut, a database that was restored."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from countersign.registrar.operations.secondaries import Condition
from countersign.registrar.publishing.journal import prune
from countersign.registry.lookup import Standing
from countersign.storage.database.publication import ZoneVersion
from tests.chain.chain import Chain
from tests.chain.data import copy_database
from tests.chain.followers import Follower
from tests.chain.waiting import until
from tests.registrar.primary.programs import kill

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]


def test_what_is_decided_while_primary_or_service_are_dead_arrives_after_their_return(
    running: Chain,
) -> None:
    registrar = running.registrar
    for kind in ("knot", "nsd", "bind"):
        running.add_server(kind)
    running.add_replica("replica")
    running.wait_until_equal()
    (first, one), (second, other), (third, another), _ = registrar.lively

    # The primary alone: the service replaces it by itself.
    before = registrar.primary_process()
    kill(before)
    registrar.suspend(first)
    running.wait_for(one, Standing.SUSPENDED)
    assert registrar.service is not None
    assert registrar.service.wait_for("primary replaced")
    assert registrar.primary_process() != before

    # A decision that is committed, and the service killed with the same breath.
    registrar.suspend(second)
    registrar.kill()
    registrar.suspend(third)
    registrar.reinstate(first)
    for follower in running.followers.values():
        assert follower.standing(another) is Standing.REGISTERED
        assert follower.standing(one) is Standing.SUSPENDED
    registrar.start()
    for hostname, standing in (
        (one, Standing.REGISTERED),
        (other, Standing.SUSPENDED),
        (another, Standing.SUSPENDED),
    ):
        running.wait_for(hostname, standing)
    running.wait_until_equal()


def test_who_lacks_more_than_the_journal_has_takes_the_zone_whole(running: Chain) -> None:
    registrar = running.registrar
    running.add_server("knot")
    late: list[Follower] = [running.add_server(kind) for kind in ("nsd", "bind")]
    late.append(running.add_replica("replica"))
    running.wait_until_equal()
    for one in late:
        one.stop()
    server, hostname = registrar.lively[0]
    for decide in (registrar.suspend, registrar.reinstate, registrar.suspend):
        decide(server)
        registrar.settled()
    running.wait_until_equal("knot")
    assert len(registrar.versions()) == 4
    # What the daily work does in a month.
    later = replace(
        registrar.office, clock=lambda: registrar.office.clock() + datetime.timedelta(days=31)
    )
    assert prune(later) == 3
    for one in late:
        one.start()
    running.wait_until_equal()
    assert set(running.transfers("knot")[1:]) == {"ixfr"}
    assert running.transfers("nsd") == ["axfr", "axfr"]
    assert running.transfers("bind") == ["axfr", "axfr"]
    assert running.transfers("replica") == ["axfr", "axfr"]
    # And then all of them go on by changes.
    registrar.reinstate(server)
    running.wait_for(hostname, Standing.REGISTERED)
    running.wait_until_equal()
    for name in running.followers:
        assert running.transfers(name)[-1] == "ixfr"


def test_a_journal_that_lost_rows_in_its_middle_misleads_nobody(running: Chain) -> None:
    registrar = running.registrar
    late: list[Follower] = [running.add_server("nsd"), running.add_replica("replica")]
    running.wait_until_equal()
    for one in late:
        one.stop()
    for server, _ in registrar.lively[:3]:
        registrar.suspend(server)
        registrar.settled()
    lost = registrar.versions()[-2]
    with registrar.office.work() as work:
        work.session.execute(delete(ZoneVersion).where(ZoneVersion.id == lost.id))
    for one in late:
        one.start()
    running.wait_until_equal()


def test_a_restored_database_is_published_above_all_that_was_seen(
    running: Chain, tmp_path: Path
) -> None:
    registrar = running.registrar
    for kind in ("knot", "nsd", "bind"):
        running.add_server(kind)
    running.add_replica("replica")
    running.wait_until_equal()
    (first, one), (second, other), *_ = registrar.lively
    registrar.suspend(first)
    running.wait_for(one, Standing.SUSPENDED)
    running.wait_until_equal()

    backup = tmp_path / "backup.sqlite"
    copy_database(registrar.database, backup)
    # What is decided after the backup is published, and forgotten.
    registrar.suspend(second)
    registrar.reinstate(first)
    running.wait_for(other, Standing.SUSPENDED)
    running.wait_for(one, Standing.REGISTERED)
    running.wait_until_equal()
    seen = registrar.serial
    registrar.stop()
    registrar.replace_database(backup)
    assert registrar.serial < seen
    registrar.start()

    running.wait_for(one, Standing.SUSPENDED)
    running.wait_for(other, Standing.REGISTERED)
    running.wait_until_equal()
    assert registrar.serial > seen
    # All is as ever.
    registrar.reinstate(first)
    running.wait_for(one, Standing.REGISTERED)
    running.wait_until_equal()
    until(
        lambda: all(
            registrar.status(name).condition is Condition.UP_TO_DATE for name in running.followers
        ),
        "nobody is behind or ahead",
        otherwise=running.logs,
    )
