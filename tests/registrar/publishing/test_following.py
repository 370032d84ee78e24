"""A copy of the zone that was left behind, lost, or is not what it should be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from countersign.registrar.operations.office import Office
from countersign.registrar.publishing import following, publisher
from countersign.registrar.publishing.copies import open_zone_copy, zone_directory
from countersign.registrar.publishing.following import Place, follow
from countersign.registrar.publishing.journal import prune
from countersign.registrar.publishing.publisher import (
    catch_up,
    check_copy,
    ensure_published,
    publish,
)
from countersign.registry.zone.names import host_key
from countersign.registry.zone.records import make_node, text_record
from countersign.rules.life_cycle import State
from countersign.storage.database.publication import ZoneVersion
from tests.registrar.conftest import Clock
from tests.registrar.operations.at_once import at_once
from tests.registrar.publishing.checking import (
    check_journal,
    check_published,
    copy_now,
    serial_now,
    versions,
)
from tests.registrar.publishing.making import add_server, change

HOST = "mail.example.org"


class Zone:
    """A registrar with one server, which is suspended and reinstated."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.server = add_server(office, HOST, State.ACTIVE, "", "192.0.2.1")
        ensure_published(office)
        self.seen = {serial_now(office): check_published(office)}

    def decide(self) -> None:
        """Suspend or reinstate the server; do not publish it yet."""
        last = self.seen[max(self.seen)]
        is_active = b"_vouch" in b"".join(last)
        state = State.SUSPENDED if is_active else State.ACTIVE
        change(self.office, self.server, state=state, public_reason="spam")

    def publish(self) -> None:
        publish(self.office)
        self.look()

    def look(self) -> None:
        self.seen[serial_now(self.office)] = check_published(self.office)
        check_journal(self.office, self.seen)

    def follows(self) -> list[bool]:
        return [one.follows for one in versions(self.office)]


@pytest.fixture
def zone(office: Office) -> Zone:
    return Zone(office)


@pytest.fixture
def directory(office: Office) -> Path:
    return zone_directory(office.config)


def keep(directory: Path, to: Path) -> Callable[[], None]:
    """Keep the copy as it is; returns what brings it back."""
    shutil.copytree(directory, to)

    def bring_back() -> None:
        shutil.rmtree(directory)
        shutil.copytree(to, directory)

    return bring_back


def standing(office: Office) -> Place:
    with open_zone_copy(office) as copy:
        return follow(office, copy)


def test_a_copy_is_led_on_by_the_journal_after_a_crash(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise ZeroDivisionError

    zone.decide()
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(publisher, "_bring_up", crash)
        publish(zone.office)
    assert len(versions(zone.office)) == 2
    assert copy_now(zone.office) == zone.seen[min(zone.seen)]
    ensure_published(zone.office)
    zone.look()
    zone.decide()
    zone.publish()
    assert zone.follows() == [False, True, True]


def test_a_copy_that_is_far_behind_is_led_on_too(
    zone: Zone, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_VERSIONS_AT_ONCE", 3)
    bring_back = keep(directory, tmp_path / "kept")
    for _ in range(8):
        zone.decide()
        zone.publish()
    bring_back()
    with open_zone_copy(zone.office) as copy:
        assert follow(zone.office, copy) is Place.CURRENT
    zone.look()
    assert zone.follows() == [False] + [True] * 8


def test_several_may_follow_at_once(zone: Zone, directory: Path, tmp_path: Path) -> None:
    bring_back = keep(directory, tmp_path / "kept")
    for _ in range(10):
        zone.decide()
        zone.publish()
    bring_back()
    results = at_once(*[lambda: standing(zone.office)] * 6)
    assert results == [Place.CURRENT] * 6
    zone.look()


def test_a_lost_copy_is_made_again_without_a_new_version(zone: Zone, directory: Path) -> None:
    zone.decide()
    zone.publish()
    shutil.rmtree(directory)
    ensure_published(zone.office)
    zone.look()
    assert zone.follows() == [False, True]
    zone.decide()
    zone.publish()
    assert zone.follows() == [False, True, True]


def test_a_copy_lost_with_decisions_unpublished_makes_a_version_that_follows_none(
    zone: Zone, directory: Path
) -> None:
    zone.decide()
    zone.publish()
    zone.decide()
    shutil.rmtree(directory)
    zone.publish()
    assert zone.follows() == [False, True, False]


def test_a_database_that_was_restored_publishes_above_what_was_seen(
    zone: Zone, clock: Clock
) -> None:
    for _ in range(3):
        zone.decide()
        zone.publish()
    newest = serial_now(zone.office)
    with zone.office.work() as work:
        first = min(versions(zone.office), key=lambda one: one.id)
        work.session.execute(delete(ZoneVersion).where(ZoneVersion.id > first.id))
    change(zone.office, zone.server, state=State.LAPSED)
    ensure_published(zone.office)
    assert serial_now(zone.office) == newest + 1
    zone.seen = {serial_now(zone.office): check_published(zone.office)}
    assert zone.follows() == [False, False]
    clock.advance(hours=1)
    zone.decide()
    zone.publish()


def test_a_database_that_lost_its_journal_publishes_above_what_was_seen(zone: Zone) -> None:
    newest = serial_now(zone.office)
    with zone.office.work() as work:
        work.session.execute(delete(ZoneVersion))
    ensure_published(zone.office)
    assert serial_now(zone.office) == newest + 1
    check_published(zone.office)


def test_a_version_published_with_other_content_is_replaced(zone: Zone) -> None:
    with open_zone_copy(zone.office) as copy, copy.changing() as changing:
        changing.put(host_key("x.example.org"), make_node([text_record(1, "other")]))
        changing.commit(serial=serial_now(zone.office), checked_at=0)
    assert standing(zone.office) is Place.ASTRAY
    before = serial_now(zone.office)
    ensure_published(zone.office)
    assert serial_now(zone.office) == before + 1
    zone.seen = {serial_now(zone.office): check_published(zone.office)}


def damage(office: Office) -> None:
    """Put another node in the copy's file, as no part of us does it."""
    with open_zone_copy(office) as copy, copy._environment.writing() as transaction:
        stored = copy._environment.stored_meta(transaction)
        assert stored is not None
        table = copy._environment.tables()[stored.table]
        transaction.put(host_key(HOST), make_node([text_record(1, "other")]), db=table)


def test_a_damaged_copy_is_made_again(zone: Zone) -> None:
    assert check_copy(zone.office) == []
    damage(zone.office)
    assert check_copy(zone.office)
    zone.look()
    assert zone.follows() == [False]


def test_a_version_made_with_a_damaged_copy_is_replaced(zone: Zone) -> None:
    damage(zone.office)
    zone.decide()
    publish(zone.office)
    assert check_copy(zone.office)
    zone.seen[serial_now(zone.office)] = check_published(zone.office)
    assert zone.follows() == [False, True, False]


def test_changes_that_do_not_fit_a_damaged_copy_cost_the_copy(
    zone: Zone, directory: Path, tmp_path: Path
) -> None:
    bring_back = keep(directory, tmp_path / "kept")
    zone.decide()
    zone.publish()
    bring_back()
    damage(zone.office)
    assert standing(zone.office) is Place.LOST
    zone.decide()
    zone.publish()


def test_a_journal_that_was_cut_costs_a_copy_and_no_version(
    zone: Zone, directory: Path, tmp_path: Path, clock: Clock
) -> None:
    bring_back = keep(directory, tmp_path / "kept")
    for _ in range(3):
        clock.advance(days=20)
        zone.decide()
        zone.publish()
    assert prune(zone.office) == 2
    assert prune(zone.office) == 0
    bring_back()
    assert standing(zone.office) is Place.LOST
    with open_zone_copy(zone.office) as copy:
        catch_up(zone.office, copy)
    zone.look()
    assert zone.follows() == [True, True]


def test_the_last_version_is_kept_however_old_it_is(zone: Zone, clock: Clock) -> None:
    clock.advance(days=1000)
    assert prune(zone.office) == 0
    zone.look()


def test_the_journal_keeps_a_bounded_number_of_versions(zone: Zone) -> None:
    publication = zone.office.config.publication.model_copy(update={"journal_versions": 10})
    config = zone.office.config.model_copy(update={"publication": publication})
    for _ in range(15):
        zone.decide()
        zone.publish()
    assert prune(replace(zone.office, config=config)) == 6
    zone.look()
    assert zone.follows() == [True] * 10


def test_another_hosts_copy_is_written_without_a_version_while_decisions_are_made(
    zone: Zone, tmp_path: Path
) -> None:
    """It waits for a moment in which all is published; on SQLite there is no other host."""
    if zone.office.database.is_sqlite:
        pytest.skip("all processes of one host share one copy")
    primary = zone.office.config.primary.model_copy(update={"copy_directory": tmp_path / "other"})
    other = replace(zone.office, config=zone.office.config.model_copy(update={"primary": primary}))
    zone.decide()

    def publish_soon() -> None:
        import time

        time.sleep(0.5)
        zone.publish()

    def join() -> None:
        with open_zone_copy(other) as copy:
            catch_up(other, copy)

    assert at_once(publish_soon, join) == [None, None]
    check_published(other)
    assert zone.follows() == [False, True]


def test_a_copy_of_a_later_state_than_the_view_is_not_astray(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows looks at the copy first: what it has is committed by then."""
    looked = following._look

    def look_late(work: Any, meta: Any) -> Any:
        monkeypatch.setattr(following, "_look", looked)
        # Between the look at the copy and the one at the database another publishes.
        zone.decide()
        publish(zone.office)
        return looked(work, meta)

    monkeypatch.setattr(following, "_look", look_late)
    assert standing(zone.office) is Place.CURRENT
    zone.look()
