"""NOTIFY: at once, repeated, superseded; and the looks at what secondaries have."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import select, update

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.overtaking import Overtaker
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registry.zone.serial import is_newer
from countersign.rules.roles import Role
from countersign.storage.database.jobs import Job
from countersign.storage.database.publication import ZoneVersion
from countersign.storage.database.replication import SecondaryState
from tests.registrar.operations import life
from tests.registrar.primary.running import (
    Running,
    add_secondary,
    eventually,
    real,
    rotate,
    running,
    serial_of,
    state_of,
)
from tests.registrar.primary.secondary import FakeSecondary, fake_secondary

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def introduced(
    primary: Running, secondary: FakeSecondary, *, ask: bool = False, contact: str = ""
) -> int:
    """Add the secondary to the registrar; returns its id when the primary knows it."""
    ask_at = secondary.endpoint if ask else ""
    made, key = await asyncio.to_thread(
        add_secondary, primary.office, "ns1", (secondary.endpoint,), ask_at, contact
    )
    secondary.know(key)
    known = primary.primary._register.known
    await eventually(lambda: known().key(key.name) is not None, 2)
    return made


def stored(office: Office, secondary: int) -> SecondaryState:
    return state_of(office, secondary) or SecondaryState(error="")


async def test_a_version_is_told_at_once_and_the_word_is_kept(office: Office) -> None:
    async with running(real(office)) as primary, fake_secondary(office.config.zone) as secondary:
        made = await introduced(primary, secondary)
        await eventually(lambda: secondary.notified == [primary.serial])
        for _ in range(5):
            serial = await asyncio.to_thread(primary.register)
            await eventually(lambda wanted=serial: wanted in secondary.notified)
        await eventually(lambda: stored(primary.office, made).notified_serial == serial)
        assert secondary.sources == {"127.0.0.1"}


@ON_SQLITE
async def test_a_lost_word_is_said_again_with_longer_pauses(office: Office) -> None:
    settings = real(office, notify_seconds=0.1, notify_attempts=4)
    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        secondary.deaf = 3
        made = await introduced(primary, secondary)
        await eventually(lambda: len(secondary.notified) == 4)
        await eventually(lambda: stored(primary.office, made).notified_serial == primary.serial)
        assert stored(primary.office, made).error == ""


@ON_SQLITE
async def test_a_newer_version_takes_the_place_of_one_that_nobody_acknowledged(
    office: Office,
) -> None:
    settings = real(office, notify_seconds=5)
    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        secondary.deaf = 1
        await introduced(primary, secondary)
        await eventually(lambda: len(secondary.notified) == 1)
        serial = await asyncio.to_thread(primary.register)
        await eventually(lambda: secondary.notified[-1] == serial, 2)
        await asyncio.sleep(0.3)
        assert len(secondary.notified) == 2


@ON_SQLITE
async def test_many_versions_at_once_are_told_together(office: Office) -> None:
    async with running(real(office)) as primary, fake_secondary(office.config.zone) as secondary:
        await introduced(primary, secondary)
        began = time.monotonic()
        serials = [await asyncio.to_thread(primary.register) for _ in range(40)]
        took = time.monotonic() - began
        await eventually(lambda: secondary.notified[-1] == serials[-1], 2)
        assert len(secondary.notified) <= took / 0.1 + 3


@ON_SQLITE
async def test_nobody_who_is_silent_keeps_others_waiting(office: Office) -> None:
    settings = real(office, notify_seconds=5)
    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        silent = ("192.0.2.1:53", "127.0.0.1:1", "198.51.100.7:53")
        await asyncio.to_thread(add_secondary, primary.office, "dead", silent)
        await introduced(primary, secondary)
        serial = await asyncio.to_thread(primary.register)
        await eventually(lambda: serial in secondary.notified, 2)


@ON_SQLITE
async def test_silence_and_refusals_are_kept_for_people_to_see(office: Office) -> None:
    settings = real(office, notify_seconds=0.05, notify_attempts=2)
    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        secondary.deaf = 2
        made = await introduced(primary, secondary)
        await eventually(lambda: "no answer" in stored(primary.office, made).error)
        secondary.refuse = True
        await asyncio.to_thread(primary.register)
        await eventually(lambda: "NOTAUTH" in stored(primary.office, made).error)
        assert secondary.endpoint in stored(primary.office, made).error


@ON_SQLITE
async def test_after_a_rotation_the_key_is_used_that_the_secondary_knows(office: Office) -> None:
    async with running(real(office)) as primary, fake_secondary(office.config.zone) as secondary:
        made, old = await asyncio.to_thread(
            add_secondary, primary.office, "ns1", (secondary.endpoint,)
        )
        secondary.know(old)
        await eventually(lambda: len(secondary.notified) >= 1)
        await primary.ask("SOA", old)
        new = await asyncio.to_thread(rotate, primary.office, made)
        known = primary.primary._register.known
        await eventually(lambda: known().key(new.name) is not None, 2)
        # Messages with a key that it does not know would make the fake one raise.
        serial = await asyncio.to_thread(primary.register)
        await eventually(lambda: serial in secondary.notified, 2)


@ON_SQLITE
async def test_each_secondary_is_asked_what_it_has_and_told_again_if_it_lacks_something(
    office: Office,
) -> None:
    settings = real(office, check_seconds=0.3)
    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        secondary.serial = primary.serial
        made = await introduced(primary, secondary, ask=True)
        await eventually(lambda: stored(primary.office, made).serial == primary.serial)
        serial = await asyncio.to_thread(primary.register)
        await eventually(lambda: secondary.notified.count(serial) >= 3)
        await eventually(lambda: stored(primary.office, made).behind_since is not None)
        secondary.serial = serial
        await eventually(lambda: stored(primary.office, made).behind_since is None)
        assert stored(primary.office, made).serial == serial


def letters(office: Office, template: str) -> list[dict[str, object]]:
    with office.reading() as work:
        jobs = work.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id))
        return [job.payload for job in jobs if job.payload["template"] == template]


@ON_SQLITE
async def test_who_stays_behind_causes_one_letter_and_one_when_it_is_over(office: Office) -> None:
    settings = real(office, check_seconds=0.2, behind_seconds=1)
    life.make_account(settings, "ada@registrar.example", Role.ADMINISTRATOR)
    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        secondary.serial = primary.serial
        made = await introduced(primary, secondary, ask=True, contact="ops@muller.com.au")
        await eventually(lambda: stored(primary.office, made).serial is not None)
        serial = await asyncio.to_thread(primary.register)
        await eventually(lambda: len(letters(primary.office, "secondary-behind")) == 2)
        assert stored(primary.office, made).alerted_at is not None
        await asyncio.to_thread(primary.register)
        await asyncio.sleep(2)
        secondary.serial = primary.serial
        await eventually(lambda: len(letters(primary.office, "secondary-up-to-date")) == 2)
        assert len(letters(primary.office, "secondary-behind")) == 2
        assert stored(primary.office, made).alerted_at is None
        assert serial != primary.serial


async def test_a_secondary_that_is_ahead_is_overtaken(office: Office) -> None:
    settings = real(office, check_seconds=0.2)
    life.make_account(settings, "ada@registrar.example", Role.ADMINISTRATOR)

    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        # What a database knows that was restored from an older copy.
        ahead = primary.serial
        with primary.office.work() as work:
            last = work.session.scalars(select(ZoneVersion).order_by(ZoneVersion.id.desc())).first()
            assert last is not None
            lost = last.serial
        await asyncio.sleep(1.1)
        secondary.serial = ahead + 1
        made = await introduced(primary, secondary, ask=True)
        await eventually(lambda: stored(primary.office, made).serial == ahead + 1)
        await eventually(lambda: is_newer(primary.serial, ahead + 1), 15)
        await eventually(lambda: primary.serial in secondary.notified)
        assert letters(primary.office, "secondary-ahead")
        assert lost == ahead
        secondary.serial = primary.serial
        await eventually(lambda: stored(primary.office, made).alerted_at is None)


@ON_SQLITE
async def test_a_serial_that_the_clock_has_not_reached_is_left_to_people(office: Office) -> None:
    settings = real(office, check_seconds=0.2)
    async with running(settings) as primary, fake_secondary(office.config.zone) as secondary:
        before = primary.serial
        secondary.serial = before + 10_000_000
        made = await introduced(primary, secondary, ask=True)
        await eventually(lambda: stored(primary.office, made).alerted_at is not None, 15)
        await asyncio.sleep(0.5)
        assert primary.serial == before


@ON_SQLITE
async def test_polling_does_not_hammer_the_database(office: Office) -> None:
    async with running(real(office, requests_per_second=1000)) as primary:
        made, key = await asyncio.to_thread(add_secondary, primary.office, "replica")
        known = primary.primary._register.known
        await eventually(lambda: known().key(key.name) is not None, 2)
        zone = await primary.transfer(key)
        await eventually(lambda: stored(primary.office, made).serial == serial_of(zone))
        await asyncio.sleep(1.2)
        with primary.office.work() as work:
            work.session.execute(update(SecondaryState).values(error="a mark"))
        for _ in range(100):
            await primary.ask("SOA", key)
            await asyncio.sleep(0.02)
        assert stored(primary.office, made).error == "a mark", "nothing was stored meanwhile"


@ON_SQLITE
async def test_what_is_published_here_after_all_is_not_overtaken(office: Office) -> None:
    settings = real(office)
    async with running(settings) as primary, fake_secondary(office.config.zone):
        before = primary.serial
        serial = await primary.register_and_serve()
        with open_zone_copy(settings) as copy:
            overtaker = Overtaker(settings, copy)
            for known in (serial, before):
                assert await asyncio.to_thread(overtaker.overtake, known) is None
        assert primary.serial == serial
