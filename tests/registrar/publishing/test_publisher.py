"""Decisions become versions of the zone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.operations.office import Office
from countersign.registrar.publishing import orders
from countersign.registrar.publishing.copies import open_zone_copy, zone_directory
from countersign.registrar.publishing.publisher import ensure_published, publish
from countersign.registry.zone.changes import unpack_changes
from countersign.registry.zone.content import address_key, host_keys, signing_key
from countersign.registry.zone.names import APEX, host_key
from countersign.rules.life_cycle import State
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.publication import ServerAddress, ZoneVersion
from tests.registrar.conftest import Clock
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.publishing.checking import (
    check_journal,
    check_published,
    serial_now,
    versions,
)
from tests.registrar.publishing.making import PIN, SIGNING, add_key, add_server, change

HOST = "mail.example.org"


def with_publication(office: Office, **settings: Any) -> Office:
    publication = office.config.publication.model_copy(update=settings)
    return replace(office, config=office.config.model_copy(update={"publication": publication}))


def order(office: Office, *hosts: str, at: tuple[str, ...] = ()) -> None:
    with office.work() as work:
        work.order("publish", {"hosts": list(hosts), "addresses": list(at)})


def test_the_first_version_is_the_whole_image(office: Office, clock: Clock) -> None:
    server = add_server(office, HOST, State.ACTIVE, "", "192.0.2.1")
    add_key(office, server, PIN)
    ensure_published(office)
    nodes = check_published(office)
    assert host_key(HOST) in nodes
    (first,) = versions(office)
    assert not first.follows
    assert first.serial == int(clock.now.timestamp())


def test_a_decision_becomes_the_next_version(office: Office) -> None:
    server = add_server(office, HOST, State.ACTIVE, "", "192.0.2.1", "2001:db8::1")
    add_key(office, server, SIGNING, "s1")
    ensure_published(office)
    seen = {serial_now(office): check_published(office)}
    change(office, server, state=State.SUSPENDED, public_reason="spam")
    (serial,) = publish(office)
    seen[serial] = check_published(office)
    last = versions(office)[-1]
    assert last.follows
    own, voucher, _ = host_keys(HOST)
    changed = {one.key for one in unpack_changes(last.changes)}
    at = {address_key("192.0.2.1"), address_key("2001:db8::1")}
    assert changed == {APEX, own, voucher} | at
    change(office, server, state=State.LAPSED)
    (serial,) = publish(office)
    seen[serial] = check_published(office)
    assert signing_key(HOST, "s1") not in seen[serial]
    check_journal(office, seen)


def test_a_key_that_was_revoked_is_gone(office: Office) -> None:
    server = add_server(office, HOST)
    add_key(office, server, SIGNING, "s1")
    add_key(office, server, SIGNING, "s2")
    other = add_server(office, f"a.{HOST}")
    add_key(office, other, SIGNING, "s1")
    ensure_published(office)
    with office.work() as work:
        work.session.execute(
            update(ServerKey).where(ServerKey.selector == "s1").values(revoked_at=work.now)
        )
        work.order("publish", {"hosts": [HOST, f"a.{HOST}"], "addresses": []})
    assert len(publish(office)) == 1
    assert signing_key(HOST, "s2") in check_published(office)


def test_nothing_that_changes_makes_no_version(office: Office) -> None:
    add_server(office, HOST, State.ACTIVE, "", "192.0.2.1")
    ensure_published(office)
    order(office, HOST, "other.example.org", "no name", "b.ip", at=("192.0.2.1", "192.0.2.99"))
    assert publish(office) == []
    ensure_published(office)
    assert len(versions(office)) == 1
    with office.reading() as work:
        assert work.session.scalars(select(Job.state)).all() == [JobState.DONE]


def test_a_name_inside_the_list_of_addresses_touches_no_address(office: Office) -> None:
    add_server(office, HOST, State.ACTIVE, "", "192.0.2.1")
    ensure_published(office)
    order(office, "1.2.0.192.ip", "test", "x.test", "_vouch")
    assert publish(office) == []
    check_published(office)


def test_an_address_is_published_by_itself(office: Office) -> None:
    server = add_server(office, HOST)
    add_server(office, "b.example.org", State.ACTIVE, "", "192.0.2.1")
    ensure_published(office)
    with office.work() as work:
        for address in ("192.0.2.1", "2001:db8::7", "127.0.0.2"):
            work.session.add(ServerAddress(server_id=server, address=address, found_at=work.now))
        addresses = ["192.0.2.1", "2001:db8::7", "127.0.0.2"]
        work.order("publish", {"hosts": [], "addresses": addresses})
    assert len(publish(office)) == 1
    check_published(office)


def test_many_decisions_make_one_version_and_end_all_their_orders(office: Office) -> None:
    ensure_published(office)
    for number in range(30):
        add_server(office, f"m{number}.example.org")
        order(office, f"m{number}.example.org")
    assert do_jobs(office, ["publish"]) == [("publish", "done")]
    assert len(versions(office)) == 2
    check_published(office)
    with office.reading() as work:
        assert set(work.session.scalars(select(Job.state))) == {JobState.DONE}


def test_very_many_decisions_make_some_versions(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SUBJECTS_AT_ONCE", 10)
    ensure_published(office)
    seen = {serial_now(office): check_published(office)}
    for number in range(35):
        add_server(office, f"m{number}.example.org")
        order(office, f"m{number}.example.org")
    assert len(publish(office)) == 4
    seen[serial_now(office)] = check_published(office)
    check_journal(office, seen)
    assert publish(office) == []


def test_an_order_that_another_worker_holds_is_answered_and_left_to_it(office: Office) -> None:
    ensure_published(office)
    add_server(office, HOST)
    order(office, HOST)
    with office.work() as work:
        work.session.execute(update(Job).values(worker="somebody"))
    assert len(publish(office)) == 1
    check_published(office)
    assert publish(office) == []
    with office.reading() as work:
        assert work.session.scalars(select(Job.state)).all() == [JobState.WAITING]


def test_an_order_that_was_given_up_is_answered_by_the_next_publication(office: Office) -> None:
    ensure_published(office)
    add_server(office, HOST)
    order(office, HOST)
    with office.work() as work:
        work.session.execute(update(Job).values(state=JobState.FAILED))
    add_server(office, "b.example.org")
    order(office, "b.example.org")
    assert do_jobs(office, ["publish"]) == [("publish", "done")]
    assert host_key(HOST) in check_published(office)


@pytest.mark.parametrize("payload", [{"whole": True}, {"event": 7}])
def test_an_order_for_the_whole_takes_up_what_was_written_without_one(
    office: Office, payload: dict[str, Any]
) -> None:
    ensure_published(office)
    add_server(office, HOST)
    with office.work() as work:
        work.order("publish", payload)
    order(office, HOST)
    assert do_jobs(office, ["publish"]) == [("publish", "done")]
    assert host_key(HOST) in check_published(office)
    assert [one.follows for one in versions(office)] == [False, False]


def test_the_start_takes_up_other_settings(office: Office) -> None:
    add_server(office, HOST)
    ensure_published(office)
    first = check_published(office)
    other = with_publication(office, contact="dns@example.net", nameservers=("ns.example.net",))
    ensure_published(other)
    second = check_published(other)
    check_journal(other, dict(zip([one.serial for one in versions(other)], [first, second])))  # noqa: B905
    assert [one.follows for one in versions(other)] == [False, True]
    ensure_published(other)
    assert len(versions(other)) == 2


def test_another_time_to_live_makes_all_anew(office: Office) -> None:
    add_server(office, HOST)
    ensure_published(office)
    other = with_publication(office, ttl=60)
    ensure_published(other)
    check_published(other)
    ensure_published(other)
    assert [one.follows for one in versions(other)] == [False, False]


def test_another_name_of_the_zone_makes_all_anew(office: Office) -> None:
    add_server(office, HOST)
    ensure_published(office)
    other = replace(office, config=office.config.model_copy(update={"zone": "other.example"}))
    ensure_published(other)
    check_published(other)
    assert [one.follows for one in versions(other)] == [False, False]


def test_a_large_zone_has_the_kept_digest_only(office: Office) -> None:
    office = with_publication(office, simple_digest_records=30)
    ensure_published(office)
    for number in range(20):
        add_server(office, f"m{number}.example.org")
        order(office, f"m{number}.example.org")
        publish(office)
        check_published(office)


def test_serials_go_on_when_the_clock_is_behind_them(office: Office, clock: Clock) -> None:
    ensure_published(office)
    first = serial_now(office)
    server = add_server(office, HOST)
    for number, state in enumerate([State.ACTIVE, State.LAPSED, State.ACTIVE]):
        change(office, server, state=state)
        assert publish(office) == [first + number + 1]
    clock.advance(days=1)
    change(office, server, state=State.LAPSED)
    assert publish(office) == [int(clock.now.timestamp())]


def test_a_copy_without_room_is_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_published(office)
    shutil.rmtree(zone_directory(office.config))
    zone_directory(office.config).write_text("in the way")
    add_server(office, HOST)
    order(office, HOST)
    assert do_jobs(office, ["publish"]) == [("publish", "later")]
    zone_directory(office.config).unlink()
    assert KINDS["publish"].act is not None
    publish(office)
    check_published(office)


def test_a_decision_is_made_public_by_the_operations_themselves(office: Office) -> None:
    from tests.registrar.operations import life

    ensure_published(office)
    life.make_suspended(office, hostname="mail.muller.com.au")
    publish(office)
    nodes = check_published(office)
    assert host_key("mail.muller.com.au") in nodes
    with office.reading() as work:
        assert len(work.session.scalars(select(ZoneVersion.id)).all()) == 2
    with open_zone_copy(office, writable=False) as copy:
        assert copy.meta() is not None
