"""Decisions and publications at the same time: no order is missed, and each version is one state.

On PostgreSQL each publisher is a host of its own, with its own copy.
"""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from countersign.registrar.operations.office import ConflictError, Office, utc_now
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registrar.publishing.publisher import catch_up, ensure_published, publish
from countersign.registry.zone.changes import unpack_changes
from countersign.registry.zone.names import host_key
from countersign.rules.life_cycle import State
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.publication import ServerAddress, ZoneVersion
from countersign.storage.database.servers import Server
from tests.registrar.publishing.checking import check_journal, check_published, versions
from tests.registrar.publishing.making import add_server

PAIRS, DECISIONS, DECIDERS, HOSTS = 4, 40, 3, 3
STATES = (State.ACTIVE, State.SUSPENDED, State.LAPSED)


def host(office: Office, directory: Path) -> Office:
    """Return the office as another host has it."""
    if office.database.is_sqlite:
        return office
    primary = office.config.primary.model_copy(update={"copy_directory": directory})
    return replace(office, config=office.config.model_copy(update={"primary": primary}))


def decide(office: Office, pairs: list[tuple[int, int]], seed: int) -> None:
    """Change both servers of a pair in one transaction, and an address of theirs."""
    draw = random.Random(seed)
    for number in range(DECISIONS):
        pair = draw.choice(pairs)
        try:
            with office.work() as work:
                two = [work.session.get_one(Server, one, with_for_update=True) for one in pair]
                state, reason = draw.choice(STATES), f"{seed} {number}"
                for server in two:
                    server.state, server.public_reason = state, reason
                address = f"192.0.2.{draw.randrange(8)}"
                row = work.session.get(ServerAddress, (pair[0], address))
                if row is None:
                    found = ServerAddress(server_id=pair[0], address=address, found_at=work.now)
                    work.session.add(found)
                else:
                    work.session.delete(row)
                order = {"hosts": [one.hostname for one in two], "addresses": [address]}
                work.order("publish", order)
        except ConflictError:
            continue


def test_no_decision_is_missed_and_none_is_seen_half(office: Office, tmp_path: Path) -> None:
    office = replace(office, clock=utc_now)
    pairs = [
        (add_server(office, f"a{one}.example.org"), add_server(office, f"b{one}.example.org"))
        for one in range(PAIRS)
    ]
    hosts = [host(office, tmp_path / str(number)) for number in range(HOSTS)]
    ensure_published(hosts[0])
    deciders = [
        threading.Thread(target=decide, args=(office, pairs, number)) for number in range(DECIDERS)
    ]
    is_over = threading.Event()
    failures: list[BaseException] = []

    def go_on_publishing(one: Office) -> None:
        while True:
            last = is_over.is_set()
            try:
                publish(one)
            except ConflictError:
                last = False
            except BaseException as error:
                failures.append(error)
                return
            if last:
                return

    publishers = [threading.Thread(target=go_on_publishing, args=(one,)) for one in hosts]
    for thread in (*deciders, *publishers):
        thread.start()
    for thread in deciders:
        thread.join()
    is_over.set()
    for thread in publishers:
        thread.join()
    assert failures == []
    with office.reading() as work:
        assert set(work.session.scalars(select(Job.state))) == {JobState.DONE}
    for one in hosts:
        with open_zone_copy(one) as copy:
            catch_up(one, copy)
        check_published(one)
    check_journal(office, {})
    _check_pairs(office)
    # A host that begins without a copy makes no version for it.
    assert [one.follows for one in versions(office)].count(False) == 1


def _check_pairs(office: Office) -> None:
    """In each version both servers of a pair are as one decision left them."""
    zone: dict[bytes, bytes] = {}
    with office.reading() as work:
        rows = work.session.scalars(select(ZoneVersion).order_by(ZoneVersion.id)).all()
    assert len(rows) > 2
    for row in rows[1:]:
        zone |= {one.key: one.after for one in unpack_changes(row.changes)}
        for number in range(PAIRS):
            two = [host_key(f"{letter}{number}.example.org") for letter in "ab"]
            assert zone.get(two[0]) == zone.get(two[1])
