"""Secondaries: added, changed, removed; their keys issued, rotated, revoked, shown again."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from countersign.registrar.operations import secondaries, secondary_keys
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.registrar.operations.secondary_details import Details, checked_endpoint
from countersign.registrar.operations.secondary_keys import MOST_GOOD_KEYS, keys_now
from countersign.registry.transfer.keys import ALGORITHMS, TsigKey
from countersign.rules.access import Permission, may
from countersign.rules.roles import Role
from countersign.storage.database.accounts import AccessRecord
from countersign.storage.database.replication import Secondary, SecondaryKey, SecondaryKind
from tests.registrar.conftest import Clock

FULL = Details(
    kind=SecondaryKind.SECONDARY,
    place="Frankfurt, Germany",
    contact="Noc@Frankfurt.DE",
    notify=("192.0.2.1:53", "[2001:DB8:0::1]:5353", "192.0.2.1:53"),
    ask="192.0.2.1:53",
)


def add(office: Office, name: str = "frankfurt-1", details: Details = FULL) -> tuple[int, TsigKey]:
    with office.work() as work:
        secondary, key = secondaries.add(work, SYSTEM, name, details)
        return secondary.id, key


def good_names(office: Office) -> set[str]:
    with office.reading() as work:
        return set(keys_now(work))


def test_a_secondary_is_added_with_its_first_key(office: Office) -> None:
    secondary_id, key = add(office)
    with office.reading() as work:
        found = work.session.get_one(Secondary, secondary_id)
        assert found.notify == ["192.0.2.1:53", "[2001:db8::1]:5353"]
        assert found.contact == "noc@frankfurt.de"
        assert found.place == "Frankfurt, Germany"
        issued = keys_now(work)
    assert list(issued) == [key.name]
    assert issued[key.name].secondary_id == secondary_id
    assert issued[key.name].name == "frankfurt-1"
    assert issued[key.name].key == key
    assert key.name.startswith("frankfurt-1-")
    assert key.name.endswith(".registry.example")


@pytest.mark.parametrize(("algorithm", "octets"), [*zip(ALGORITHMS, (32, 48, 64), strict=True)])
def test_a_secret_is_as_long_as_the_digest(office: Office, algorithm: str, octets: int) -> None:
    with office.work() as work:
        _, key = secondaries.add(work, SYSTEM, "one", Details(), algorithm)
    assert key.algorithm == algorithm
    assert len(key.secret) == octets


def test_an_algorithm_that_is_too_old_is_refused(office: Office) -> None:
    with pytest.raises(OperationError, match="algorithm"), office.work() as work:
        secondaries.add(work, SYSTEM, "one", Details(), "hmac-md5")
    assert good_names(office) == set()


@pytest.mark.parametrize("name", ["", "a" * 41, "a.b", "ä", "a b", "-a", "a-", "a\x00", "a_b"])
def test_a_name_that_is_no_label_is_refused(office: Office, name: str) -> None:
    with pytest.raises(OperationError, match="lower-case letters"):
        add(office, name)


def test_a_name_is_free_again_when_its_secondary_is_removed(office: Office) -> None:
    first, old = add(office, "one")
    with pytest.raises(OperationError, match="another name"):
        add(office, "ONE")
    with office.work() as work:
        secondaries.remove(work, SYSTEM, first)
    assert good_names(office) == set()
    second, new = add(office, "one")
    assert second != first
    assert good_names(office) == {new.name} != {old.name}
    with pytest.raises(NotFoundError), office.work() as work:
        secondary_keys.rotate(work, SYSTEM, first)


def test_what_is_known_of_a_secondary_can_be_changed(office: Office) -> None:
    secondary_id, key = add(office)
    with office.work() as work:
        secondaries.change(work, SYSTEM, secondary_id, Details(SecondaryKind.REPLICA, "Perth"))
    with office.reading() as work:
        found = work.session.get_one(Secondary, secondary_id)
        assert (found.kind, found.place) == (SecondaryKind.REPLICA, "Perth")
        assert (found.contact, found.notify, found.ask) == ("", [], "")
    assert good_names(office) == {key.name}


@pytest.mark.parametrize(
    "details",
    [
        Details(place="x" * 121),
        Details(place="turned\u202eround"),
        Details(contact="nobody"),
        Details(notify=["192.0.2.1:53"] * 9),
        Details(notify=["ns1.example.org:53"]),
        Details(ask="192.0.2.1"),
    ],
)
def test_details_that_cannot_be_are_refused(office: Office, details: Details) -> None:
    with pytest.raises(OperationError):
        add(office, "one", details)


@pytest.mark.parametrize(
    "text",
    [
        ":53",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:+53",
        "192.0.2.1:٥٣",
        "192.0.2.1:53:53",
        "0.0.0.0:53",
        "224.0.0.1:53",
        "[192.0.2.1]:53",
        "2001:db8::1:53",
        "[2001:db8::1]",
        "[fe80::1%eth0]:53",
        "[ff02::1]:53",
        "host:53",
        "ns1.example.org:53",
    ],
)
def test_an_endpoint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OperationError):
        checked_endpoint(text)


@given(st.text(max_size=60) | st.from_regex(r"\[?[0-9a-fA-F.:%]{1,40}\]?:[0-9]{0,6}"))
@example("[::ffff:192.0.2.1]:53")
def test_an_endpoint_is_refused_or_has_one_standard_form(text: str) -> None:
    try:
        plain = checked_endpoint(text)
    except OperationError:
        return
    assert checked_endpoint(plain) == plain
    assert len(plain) <= 64


def test_after_a_rotation_the_old_key_stays_good_for_a_while(office: Office, clock: Clock) -> None:
    secondary_id, old = add(office)
    with office.work() as work:
        new = secondary_keys.rotate(work, SYSTEM, secondary_id, "hmac-sha512")
    assert good_names(office) == {old.name, new.name}
    clock.advance(hours=office.config.primary.key_overlap_hours, seconds=-1)
    assert good_names(office) == {old.name, new.name}
    clock.advance(seconds=1)
    assert good_names(office) == {new.name}


def test_a_second_rotation_does_not_prolong_a_key_that_ends(office: Office, clock: Clock) -> None:
    secondary_id, first = add(office)
    with office.work() as work:
        second = secondary_keys.rotate(work, SYSTEM, secondary_id)
    clock.advance(hours=100)
    with office.work() as work:
        third = secondary_keys.rotate(work, SYSTEM, secondary_id)
    assert good_names(office) == {first.name, second.name, third.name}
    clock.advance(hours=68)
    assert good_names(office) == {second.name, third.name}
    clock.advance(hours=100)
    assert good_names(office) == {third.name}


def test_a_revoked_key_is_worthless_at_once(office: Office) -> None:
    secondary_id, first = add(office)
    with office.work() as work:
        second = secondary_keys.issue(work, SYSTEM, secondary_id)
        row = next(
            key for key in secondary_keys.keys_of(work, secondary_id) if key.name == first.name
        )
        key_id = row.id
        secondary_keys.revoke(work, SYSTEM, secondary_id, key_id)
    assert good_names(office) == {second.name}
    with office.work() as work:
        secondary_keys.revoke(work, SYSTEM, secondary_id, key_id)
        with pytest.raises(OperationError, match="no longer good"):
            secondary_keys.reveal(work, SYSTEM, secondary_id, key_id)
    with office.reading() as work:
        revoked = select(AccessRecord).where(AccessRecord.what == "secondary key revoked")
        assert len(list(work.session.scalars(revoked))) == 1


def test_a_key_is_found_by_its_own_secondary_only(office: Office) -> None:
    one, _ = add(office, "one")
    two, _ = add(office, "two")
    with office.work() as work:
        key_id = secondary_keys.current_key(work, one).id
        with pytest.raises(NotFoundError):
            secondary_keys.reveal(work, SYSTEM, two, key_id)
        with pytest.raises(NotFoundError):
            secondary_keys.revoke(work, SYSTEM, two, key_id)


def test_there_are_never_many_good_keys(office: Office) -> None:
    secondary_id, _ = add(office)
    with office.work() as work:
        for _ in range(MOST_GOOD_KEYS - 1):
            secondary_keys.rotate(work, SYSTEM, secondary_id)
    with pytest.raises(OperationError, match="revoke one first"), office.work() as work:
        secondary_keys.rotate(work, SYSTEM, secondary_id)
    assert len(good_names(office)) == MOST_GOOD_KEYS


def test_a_look_at_a_secret_is_recorded_without_it(office: Office) -> None:
    secondary_id, key = add(office)
    with office.work() as work:
        key_id = secondary_keys.current_key(work, secondary_id).id
        assert secondary_keys.reveal(work, SYSTEM, secondary_id, key_id) == key
    with office.reading() as work:
        records = list(work.session.scalars(select(AccessRecord).order_by(AccessRecord.id)))
    assert [record.what for record in records] == [
        "secondary added",
        "secondary key issued",
        "secondary key revealed",
    ]
    assert {record.subject for record in records} == {f"secondary:{secondary_id}"}
    assert records[-1].details["key"] == key.name
    written = json.dumps([record.details for record in records])
    assert key.encoded not in written
    assert key.secret.hex() not in written


def test_no_secret_stands_in_the_database(office: Office) -> None:
    secondary_id, first = add(office)
    with office.work() as work:
        second = secondary_keys.rotate(work, SYSTEM, secondary_id)
    with office.reading() as work:
        tables = SecondaryKey.metadata.tables
        everything = [
            value
            for name in tables
            for row in work.session.execute(text(f'SELECT * FROM "{name}"'))
            for value in row
        ]
    octets = b"\0".join(
        bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
        for value in everything
    )
    for key in (first, second):
        assert key.name.encode() in octets
        for form in (key.secret, key.encoded.encode(), key.secret.hex().encode()):
            assert form not in octets


def test_a_sealed_secret_is_good_for_its_own_name_only(office: Office) -> None:
    one, _ = add(office, "one")
    two, other = add(office, "two")
    with office.work() as work:
        rows = {key.secondary_id: key for key in work.session.scalars(select(SecondaryKey))}
        rows[one].sealed = rows[two].sealed
    # The exchanged one is left out; the primary goes on with the rest.
    assert good_names(office) == {other.name}


def test_keys_are_rewrapped_under_a_new_master_key(office: Office) -> None:
    from countersign.registrar.operations.rewrapping import rewrap_all

    _, key = add(office)
    office.keyring.rotate()
    assert rewrap_all(office) == 1
    with office.reading() as work:
        assert keys_now(work)[key.name].key == key


ROLES = [role for role in Role if role is not Role.SYSTEM]


@pytest.mark.parametrize("role", ROLES)
def test_only_administrators_change_secondaries(office: Office, role: Role) -> None:
    allowed = role is Role.ADMINISTRATOR
    assert may([role], Permission.MANAGE_SECONDARIES) is allowed
    assert may([role], Permission.SEE_SECONDARIES) is (allowed or role is Role.AUDITOR)
    if allowed:
        return
    secondary_id, key = add(office)
    actor = Actor(role, 1)
    with office.work() as work:
        key_id = secondary_keys.current_key(work, secondary_id).id
        for attempt in (
            lambda: secondaries.add(work, actor, "two", Details()),
            lambda: secondaries.change(work, actor, secondary_id, Details()),
            lambda: secondaries.remove(work, actor, secondary_id),
            lambda: secondary_keys.issue(work, actor, secondary_id),
            lambda: secondary_keys.rotate(work, actor, secondary_id),
            lambda: secondary_keys.revoke(work, actor, secondary_id, key_id),
            lambda: secondary_keys.reveal(work, actor, secondary_id, key_id),
        ):
            with pytest.raises(ForbiddenError):
                attempt()
    assert good_names(office) == {key.name}


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.sampled_from(["issue", "rotate", "revoke"]) | st.integers(0, 400),
        max_size=12,
    )
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_any_rotations_the_last_key_is_good_and_each_old_one_ends_in_time(
    office: Office, clock: Clock, steps: list[str | int]
) -> None:
    name = f"s{secondary_count(office)}"
    secondary_id, last = add(office, name)
    overlap = datetime.timedelta(hours=office.config.primary.key_overlap_hours)
    ends: dict[str, datetime.datetime | None] = {last.name: None}
    for step in steps:
        if isinstance(step, int):
            clock.advance(hours=step)
            continue
        good = {key for key, end in ends.items() if end is None or end > clock.now}
        if step == "revoke":
            with office.work() as work:
                row = secondary_keys.keys_of(work, secondary_id)[-1]
                if row.name == last.name:
                    continue
                secondary_keys.revoke(work, SYSTEM, secondary_id, row.id)
            ends[row.name] = min(clock.now, ends[row.name] or clock.now)
            continue
        if len(good) == MOST_GOOD_KEYS:
            continue
        with office.work() as work:
            change = secondary_keys.issue if step == "issue" else secondary_keys.rotate
            last = change(work, SYSTEM, secondary_id)
        if step == "rotate":
            end = clock.now + overlap
            ends = {key: min(old or end, end) for key, old in ends.items()}
        ends[last.name] = None
    expected = {key for key, end in ends.items() if end is None or end > clock.now}
    with office.reading() as work:
        found = {key for key, issued in keys_now(work).items() if issued.name == name}
        assert secondary_keys.current_key(work, secondary_id).name == last.name
    assert found == expected


def secondary_count(office: Office) -> int:
    with office.reading() as work:
        return len(list(work.session.scalars(select(Secondary.id))))
