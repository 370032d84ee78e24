"""How far secondaries are, as the pages tell it."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.registrar.operations import secondaries
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.secondaries import Condition
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.queries.secondaries import (
    Lag,
    SecondaryStatus,
    status_of,
    statuses,
    versions_by_hour,
    zone_status,
)
from countersign.storage.database.publication import ZoneVersion
from countersign.storage.database.replication import Secondary, SecondaryKind
from tests.registrar.conftest import Clock
from tests.registrar.replication import add_secondary, note_state, publish


def only_status(office: Office) -> SecondaryStatus:
    with office.reading() as work:
        (found,) = statuses(work)
        assert status_of(work, found.secondary) == found
        return found


def test_before_anything_is_published_there_is_no_zone(office: Office) -> None:
    with office.reading() as work:
        assert zone_status(work) is None
        assert statuses(work) == []


def test_the_zone_is_its_newest_version(office: Office, clock: Clock) -> None:
    publish(office, 4_000_000_000, ago=100, records=10)
    publish(office, 5, ago=40, records=12)
    with office.reading() as work:
        zone = zone_status(work)
    assert zone is not None
    assert (zone.zone, zone.serial, zone.records) == ("registry.example", 5, 12)
    assert zone.published_at == clock.now - datetime.timedelta(seconds=40)
    assert zone.versions == 2


def test_a_secondary_that_was_never_heard_of_is_never_seen(office: Office) -> None:
    add_secondary(office)
    publish(office, 5)
    found = only_status(office)
    assert (found.condition, found.lag, found.state) == (Condition.NEVER_SEEN, None, None)


def test_a_secondary_that_only_failed_is_in_error(office: Office) -> None:
    secondary_id, _ = add_secondary(office)
    publish(office, 5)
    note_state(office, secondary_id, error="BADSIG")
    assert only_status(office).condition is Condition.ERROR
    assert only_status(office).error == "BADSIG"


@pytest.mark.parametrize(
    ("serial", "condition", "lag"),
    [
        (7, Condition.UP_TO_DATE, Lag(0, 0.0)),
        (6, Condition.CATCHING_UP, Lag(1, 10.0)),
        (5, Condition.BEHIND, Lag(2, 70.0)),
        (2**32 - 1, Condition.BEHIND, Lag(3, 500.0)),
        (2**32 - 5, Condition.BEHIND, Lag(4, 900.0, is_more=True)),
        (8, Condition.AHEAD, None),
        (2**31 + 7, Condition.BEHIND, Lag(3, 900.0, is_more=True)),
    ],
)
def test_the_lag_is_counted_in_versions_and_from_the_first_one_that_is_lacked(
    office: Office, serial: int, condition: Condition, lag: Lag | None
) -> None:
    for one, ago in ((2**32 - 1, 900), (5, 500), (6, 70), (7, 10)):
        publish(office, one, ago=ago)
    secondary_id, _ = add_secondary(office)
    note_state(office, secondary_id, serial=serial)
    found = only_status(office)
    assert (found.condition, found.lag) == (condition, lag)


def test_an_error_shows_unless_it_is_worse(office: Office) -> None:
    publish(office, 5, ago=500)
    publish(office, 6, ago=100)
    secondary_id, _ = add_secondary(office)
    note_state(office, secondary_id, serial=6, error="no answer")
    assert only_status(office).condition is Condition.ERROR
    note_state(office, secondary_id, serial=5, error="no answer")
    assert only_status(office).condition is Condition.BEHIND


def test_with_nothing_published_who_has_a_version_is_ahead(office: Office) -> None:
    secondary_id, _ = add_secondary(office)
    note_state(office, secondary_id, serial=5)
    assert only_status(office).condition is Condition.AHEAD


def test_secondaries_are_listed_by_name_without_those_removed(office: Office) -> None:
    publish(office, 5)
    add_secondary(office, "perth")
    add_secondary(office, "lima", Details(SecondaryKind.REPLICA))
    gone, _ = add_secondary(office, "oslo")
    with office.work() as work:
        secondaries.remove(work, SYSTEM, gone)
    with office.reading() as work:
        assert [one.secondary.name for one in statuses(work)] == ["lima", "perth"]
        public = statuses(work, SecondaryKind.SECONDARY)
        assert [one.secondary.name for one in public] == ["perth"]


def test_versions_are_counted_by_the_hour(office: Office, clock: Clock) -> None:
    clock.advance(minutes=30)
    for serial, ago in ((1, 86400 * 2), (2, 3 * 3600), (3, 3 * 3600 - 60), (4, 60)):
        publish(office, serial, ago=ago)
    with office.reading() as work:
        hours = versions_by_hour(work, 4)
    assert [count for _, count in hours] == [2, 0, 0, 1]
    assert hours[-1][0] == clock.now.replace(minute=0)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    start=st.integers(0, 2**32 - 1),
    steps=st.lists(st.integers(1, 2**28), min_size=1, max_size=6),
    at=st.integers(0, 5),
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_lag_is_right_wherever_the_serials_run_around(
    office: Office, start: int, steps: list[int], at: int
) -> None:
    with office.work() as work:
        work.session.query(ZoneVersion).delete()
        known = work.session.query(Secondary).first()
    secondary_id = known.id if known is not None else add_secondary(office)[0]
    serials = [start]
    for step in steps:
        serials.append((serials[-1] + step) % 2**32)
    for number, serial in enumerate(serials):
        publish(office, serial, ago=1000 - 10 * number)
    position = min(at, len(serials) - 1)
    note_state(office, secondary_id, serial=serials[position])
    lag = only_status(office).lag
    lacked = len(serials) - 1 - position
    seconds = float(1000 - 10 * (position + 1)) if lacked else 0.0
    assert lag == Lag(lacked, seconds)
