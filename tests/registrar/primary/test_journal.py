"""IXFR from the journal: versions in turn, their sum, and the whole zone where it leads nowhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import dns.zone
import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.engine import make_url

from countersign.registrar.operations.office import Office
from countersign.registrar.primary import journal
from countersign.registrar.primary.journal import (
    JournalError,
    Span,
    each_version,
    find_span,
    is_too_much,
    sum_of_versions,
)
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registrar.publishing.publisher import catch_up, publish
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.zone.changes import condense, unpack_changes
from countersign.storage.database.publication import ZoneVersion
from tests.registrar.postgres import Postgres
from tests.registrar.primary.running import (
    Running,
    add_secondary,
    eventually,
    real,
    records_of,
    running,
    serial_of,
)

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def primary(office: Office) -> AsyncIterator[Running]:
    async with running(real(office, condense_versions=3, requests_per_second=1000)) as made:
        yield made


async def known_key(primary: Running) -> TsigKey:
    _, key = await asyncio.to_thread(add_secondary, primary.office, "ns1")
    known = primary.primary._register.known
    await eventually(lambda: known().key(key.name) is not None, 2)
    return key


def sent(primary: Running, kind: str) -> float:
    labels = {"kind": kind, "outcome": "sent"}
    value = primary.metrics.registry.get_sample_value("countersign_primary_transfers_total", labels)
    return value or 0.0


def versions(office: Office) -> list[ZoneVersion]:
    with office.reading() as work:
        return list(work.session.scalars(select(ZoneVersion).order_by(ZoneVersion.id)))


def span_between(office: Office, serial: int, newest: int) -> Span | None:
    return find_span(office, serial, newest)


async def test_ixfr_from_each_version_makes_the_same_zone_in_turn_or_by_the_sum(
    primary: Running,
) -> None:
    key = await known_key(primary)
    old: list[dns.zone.Zone] = [await primary.transfer(key)]
    for number in range(6):
        await primary.register_and_serve(f"a{number}.example.org", f"b{number}.example.org")
        old.append(await primary.transfer(key))
        if number % 2:
            # What came is gone again: the sum of both says nothing of it.
            await primary.serves(await asyncio.to_thread(primary.suspend, f"b{number}.example.org"))
            old.append(await primary.transfer(key))
    whole = records_of(old[-1])
    before = sent(primary, "ixfr")
    for zone in old[:-1]:
        await primary.transfer(key, zone, kind="IXFR")
        assert (serial_of(zone), records_of(zone)) == (primary.serial, whole)
    await eventually(lambda: sent(primary, "ixfr") - before == len(old) - 1)


@ON_SQLITE
async def test_where_the_journal_was_cut_the_whole_zone_is_sent(primary: Running) -> None:
    key = await known_key(primary)
    old = []
    for _ in range(5):
        await primary.register_and_serve()
        old.append(await primary.transfer(key))
    with primary.office.work() as work:
        last = select(func.max(ZoneVersion.id)).scalar_subquery()
        work.session.execute(delete(ZoneVersion).where(ZoneVersion.id < last - 1))
    before = sent(primary, "axfr"), sent(primary, "ixfr")
    for zone in old[:-1]:
        await primary.transfer(key, zone, kind="IXFR")
        assert records_of(zone) == records_of(old[-1])
    await eventually(lambda: sent(primary, "axfr") - before[0] == 3)
    await eventually(lambda: sent(primary, "ixfr") - before[1] == 1)


@ON_SQLITE
async def test_a_version_that_follows_none_is_sent_whole(primary: Running) -> None:
    key = await known_key(primary)
    await primary.register_and_serve()
    zone = await primary.transfer(key)

    def publish_whole() -> int:
        with primary.office.work() as work:
            # The form of what is published is unknown: all is made anew.
            from countersign.storage.database.publication import Fact

            work.session.get_one(Fact, "zone").value = {}
            work.order("publish", {"whole": True})
        return publish(primary.office)[-1]

    await primary.serves(await asyncio.to_thread(publish_whole))
    assert not versions(primary.office)[-1].follows
    before = sent(primary, "axfr")
    await primary.transfer(key, zone, kind="IXFR")
    await eventually(lambda: sent(primary, "axfr") - before == 1)
    assert serial_of(zone) == primary.serial
    await primary.register_and_serve()
    await primary.transfer(key, zone, kind="IXFR")
    await eventually(lambda: sent(primary, "axfr") - before == 1)


@ON_SQLITE
async def test_what_is_more_than_the_zone_is_sent_whole(
    primary: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await known_key(primary)
    zone = await primary.transfer(key)
    await primary.register_and_serve(*(f"host{n}.example.org" for n in range(20)))
    monkeypatch.setattr(journal, "_ALWAYS_LITTLE", 100)
    before = sent(primary, "axfr")
    await primary.transfer(key, zone, kind="IXFR")
    await eventually(lambda: sent(primary, "axfr") - before == 1)
    assert serial_of(zone) == primary.serial


def test_what_is_too_much() -> None:
    def span(**values: int) -> Span:
        whole: dict[str, Any] = {"versions": 5, "octets": 5000, "largest": 1000, **values}
        return Span(serial=1, after=1, last=6, **whole)

    assert not is_too_much(span(), 10, 20)
    assert not is_too_much(span(octets=2_000_000), 1_000_000, 20)
    assert is_too_much(span(octets=2_000_000), 10_000, 20)
    assert is_too_much(span(octets=200_000_000, largest=100_000_000), 100_000_000, 20)
    assert not is_too_much(span(octets=200_000_000, versions=20), 100_000_000, 20)
    assert is_too_much(span(octets=200_000_000, versions=21), 100_000_000, 20)


async def test_the_span_between_two_serials(primary: Running) -> None:
    office = primary.office
    serials = [primary.serial, *[await asyncio.to_thread(primary.register) for _ in range(4)]]
    span = span_between(office, serials[1], serials[4])
    assert span is not None
    assert span.versions == 3
    rows = versions(office)
    assert span.octets == sum(len(row.changes) for row in rows[-3:])
    assert span.largest == max(len(row.changes) for row in rows[-3:])
    assert span_between(office, serials[4], serials[1]) is None
    assert span_between(office, serials[4], serials[4]) is None
    assert span_between(office, serials[0] - 1, serials[4]) is None
    assert span_between(office, serials[0], serials[4] + 1) is None
    each = list(each_version(office, span))
    assert [list(changes) for _, _, changes in each] == [
        unpack_changes(row.changes) for row in rows[-3:]
    ]
    before, after, net = sum_of_versions(office, span)
    assert (before, after) == (each[0][0], each[-1][1])
    assert list(net) == condense(changes for _, _, changes in each)


@ON_SQLITE
async def test_a_version_that_vanishes_meanwhile_is_noticed(primary: Running) -> None:
    office = primary.office
    serials = [primary.serial, *[await asyncio.to_thread(primary.register) for _ in range(4)]]
    span = span_between(office, serials[0], serials[4])
    assert span is not None
    reading = each_version(office, span)
    next(reading)
    with office.work() as work:
        work.session.execute(delete(ZoneVersion).where(ZoneVersion.serial == serials[2]))
    with pytest.raises(JournalError):
        next(reading)
    with pytest.raises(JournalError):
        sum_of_versions(office, span)
    # Who asks then gets the zone whole.
    key = await known_key(primary)
    await eventually(lambda: primary.serial == serials[4])
    assert serial_of(await primary.transfer(key)) == serials[4]


@ON_SQLITE
async def test_a_cut_between_the_look_and_the_reading_leads_to_the_whole_zone(
    primary: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await known_key(primary)
    zone = await primary.transfer(key)
    await primary.register_and_serve()
    found = journal.find_span

    def find_and_cut(office: Office, serial: int, newest: int) -> Span | None:
        span = found(office, serial, newest)
        with primary.office.work() as other:
            other.session.execute(delete(ZoneVersion).where(ZoneVersion.serial != newest))
            other.session.execute(delete(ZoneVersion).where(ZoneVersion.serial == newest))
        return span

    monkeypatch.setattr("countersign.registrar.primary.transferring.find_span", find_and_cut)
    await primary.transfer(key, zone, kind="IXFR")
    assert serial_of(zone) == primary.serial


@pytest.mark.peer
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_while_the_database_is_away_the_copy_is_served_and_then_all_goes_on(
    primary: Running, postgres: Postgres, database_url: str
) -> None:
    key = await known_key(primary)
    zone = await primary.transfer(key)
    await primary.register_and_serve("later.example.org")
    with take_away(postgres, database_url):
        assert (await primary.ask("SOA", key)).answer
        assert serial_of(await primary.transfer(key)) == primary.serial
        # The journal cannot be read: the whole zone is as good.
        await primary.transfer(key, zone, kind="IXFR")
        assert serial_of(zone) == primary.serial
        await asyncio.sleep(2.5)
        assert serial_of(await primary.transfer(key)) == primary.serial
    serial = await asyncio.to_thread(primary.register)
    await primary.serves(serial)
    before = sent(primary, "ixfr")
    await primary.transfer(key, zone, kind="IXFR")
    await eventually(lambda: sent(primary, "ixfr") == before + 1)


@contextlib.contextmanager
def take_away(postgres: Postgres, url: str) -> Iterator[None]:
    """Let nobody into a database, and end all connections to it."""
    name = make_url(url).database
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@ON_SQLITE
async def test_what_is_sent_is_one_version_whatever_is_published_meanwhile(
    office: Office,
) -> None:
    async with running(real(office, requests_per_second=1000)) as primary:
        key = await known_key(primary)
        seen: dict[int, set[tuple[str, int, str, str]]] = {}

        async def publish_on() -> None:
            for _ in range(25):
                await asyncio.to_thread(primary.register)

        async def follow(kind: str) -> None:
            zone = await primary.transfer(key)
            while not publishing.done():
                if kind == "AXFR":
                    zone = await primary.transfer(key)
                else:
                    await primary.transfer(key, zone, kind="IXFR")
                records = records_of(zone)
                assert seen.setdefault(serial_of(zone), records) == records

        publishing = asyncio.create_task(publish_on())
        await asyncio.gather(publishing, follow("AXFR"), follow("IXFR"), follow("IXFR"))
        assert len(seen) > 3


@ON_SQLITE
def test_changes_of_the_apex_alone_are_changes(office: Office) -> None:
    with open_zone_copy(office) as copy:
        catch_up(office, copy)
        assert [change.key for change in unpack_changes(versions(office)[0].changes)] == [b"."]
