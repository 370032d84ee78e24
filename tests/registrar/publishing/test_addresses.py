"""Addresses of registered servers, as a real DNS server tells them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.registrar.jobs import daily
from countersign.registrar.jobs.schedule import order_addresses
from countersign.registrar.operations.office import Office
from countersign.registrar.publishing import addresses
from countersign.registrar.publishing.addresses import look_up, record
from countersign.registrar.publishing.publisher import ensure_published, publish
from countersign.registry.zone.content import address_key
from countersign.rules.life_cycle import State
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.publication import ServerAddress
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life
from tests.registrar.publishing.checking import check_published
from tests.registrar.publishing.making import add_server, change
from tests.registrar.web.resolving import asking, name_server

HOST = "mail.muller.com.au"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with name_server() as server:
        yield server


@pytest.fixture
def office(office: Office, dns: DnsServer) -> Office:
    made = asking(office, dns)
    return replace(made, config=made.config.model_copy(update={"reserved_names": True}))


def known(office: Office) -> set[str]:
    with office.reading() as work:
        return set(work.session.scalars(select(ServerAddress.address)))


def resolve(office: Office, server_id: int, hostname: str = HOST) -> int:
    found = look_up(office.config, [(server_id, hostname)])
    with office.work() as work:
        return record(work, found)


def test_addresses_of_both_families_are_found_and_published(office: Office, dns: DnsServer) -> None:
    dns.set(HOST, "A", "192.0.2.1", "192.0.2.2")
    dns.set(HOST, "AAAA", "2001:DB8:0::1")
    ensure_published(office)
    server = add_server(office, HOST)
    change(office, server)
    assert resolve(office, server) == 3
    assert resolve(office, server) == 0
    assert known(office) == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
    publish(office)
    nodes = check_published(office)
    assert {address_key(one) for one in known(office)} <= nodes.keys()


def test_what_the_dns_has_no_more_goes(office: Office, dns: DnsServer) -> None:
    server = add_server(office, HOST, State.ACTIVE, "", "192.0.2.1", "192.0.2.2", "2001:db8::1")
    ensure_published(office)
    dns.set(HOST, "A", "192.0.2.2")
    assert resolve(office, server) == 2
    assert known(office) == {"192.0.2.2"}
    dns.remove(HOST)
    assert resolve(office, server) == 1
    publish(office)
    check_published(office)


@pytest.mark.parametrize("behaviour", [Behaviour.SERVFAIL, Behaviour.REFUSED, Behaviour.LAME])
def test_a_dns_that_cannot_tell_takes_nothing_away(
    office: Office, dns: DnsServer, behaviour: Behaviour
) -> None:
    server = add_server(office, HOST, State.ACTIVE, "", "192.0.2.1", "2001:db8::1")
    dns.misbehave(HOST, behaviour)
    assert resolve(office, server) == 0
    assert known(office) == {"192.0.2.1", "2001:db8::1"}


def test_addresses_that_nobody_can_have_in_public_are_left_out(
    office: Office, dns: DnsServer
) -> None:
    strict = replace(office, config=office.config.model_copy(update={"reserved_names": False}))
    dns.set(HOST, "A", "10.0.0.1", "127.0.0.2", "192.0.2.1", "224.0.0.9", "0.0.0.0", "9.9.9.9")
    dns.set(HOST, "AAAA", "::ffff:9.9.9.9", "fe80::1", "fd00::1", "ff02::1", "2620:fe::9")
    server = add_server(office, HOST)
    resolve(strict, server)
    assert known(office) == {"9.9.9.9", "2620:fe::9"}


def test_a_host_lists_a_bounded_number_of_addresses(office: Office, dns: DnsServer) -> None:
    dns.set(HOST, "A", *(f"192.0.2.{number}" for number in range(1, 100)))
    server = add_server(office, HOST)
    resolve(office, server)
    expected = {f"192.0.2.{number}" for number in range(1, addresses.ADDRESSES_OF_FAMILY + 1)}
    assert known(office) == expected


def test_nobody_is_listed_who_left_while_the_dns_was_asked(office: Office, dns: DnsServer) -> None:
    dns.set(HOST, "A", "192.0.2.1")
    server = add_server(office, HOST)
    found = look_up(office.config, [(server, HOST)])
    change(office, server, state=State.LAPSED)
    with office.work() as work:
        assert record(work, found) == 0
    assert known(office) == set()


def test_who_becomes_active_is_looked_up_at_once(office: Office, dns: DnsServer) -> None:
    dns.set(HOST, "A", "192.0.2.1")
    ensure_published(office)
    life.make_active(office, hostname=HOST)
    assert do_jobs(office, ["address", "publish"])
    assert known(office) == {"192.0.2.1"}
    assert address_key("192.0.2.1") in check_published(office)


def test_a_dns_that_does_not_answer_is_asked_again_and_then_left_to_the_next_round(
    office: Office, dns: DnsServer, clock: Clock
) -> None:
    dns.misbehave(HOST, Behaviour.REFUSED)
    life.make_active(office, hostname=HOST)
    ends = []
    for _ in range(4):
        ends += do_jobs(office, ["address"])
        clock.advance(minutes=5)
    assert ends == [("address", "later"), ("address", "later"), ("address", "done")]


def test_a_round_goes_through_all_servers_once(
    office: Office, dns: DnsServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "SERVERS_AT_ONCE", 3)
    states = [State.ACTIVE, State.SUSPENDED, State.LAPSED]
    for number in range(12):
        name = f"m{number}.example.org"
        dns.set(name, "A", f"192.0.2.{number}")
        add_server(office, name, states[number % 3])
    ensure_published(office)
    assert order_addresses(office)
    assert not order_addresses(office)
    assert do_jobs(office, ["addresses"]) == [("addresses", "done")] * 3
    assert known(office) == {f"192.0.2.{number}" for number in range(12) if number % 3 < 2}
    assert not order_addresses(office)
    publish(office)
    check_published(office)
    clock.advance(minutes=office.config.publication.resolve_minutes)
    assert order_addresses(office)
    assert do_jobs(office, ["addresses"]) == [("addresses", "done")] * 3
    assert publish(office) == []


def test_a_round_that_goes_on_is_not_begun_again(office: Office, clock: Clock) -> None:
    assert order_addresses(office)
    clock.advance(days=1)
    assert not order_addresses(office)


def test_a_round_waits_while_no_resolver_answers(office: Office, dns: DnsServer) -> None:
    for number in range(3):
        name = f"m{number}.example.org"
        dns.misbehave(name, Behaviour.SERVFAIL)
        add_server(office, name, State.ACTIVE, "", f"192.0.2.{number}")
    order_addresses(office)
    assert do_jobs(office, ["addresses"]) == [("addresses", "later")]
    assert len(known(office)) == 3


def test_names_that_nobody_answers_for_keep_the_others_waiting_for_a_while_only(
    office: Office, dns: DnsServer, clock: Clock
) -> None:
    dns.misbehave(HOST, Behaviour.SERVFAIL)
    add_server(office, HOST, State.ACTIVE, "", "192.0.2.1")
    order_addresses(office)
    ends = []
    for _ in range(4):
        ends += do_jobs(office, ["addresses"])
        clock.advance(minutes=5)
    later = ("addresses", "later")
    assert ends == [later, later, ("addresses", "done")]
    assert known(office) == {"192.0.2.1"}
    clock.advance(minutes=office.config.publication.resolve_minutes)
    assert order_addresses(office)


def test_the_daily_work_forgets_addresses_of_those_who_left(office: Office) -> None:
    staying = add_server(office, "a.example.org", State.SUSPENDED, "", "192.0.2.1")
    server = add_server(office, HOST, State.ACTIVE, "", "192.0.2.1", "192.0.2.2")
    ensure_published(office)
    with office.work() as work:
        # Without an order of its own: the one that takes the addresses away is enough.
        work.session.get_one(Server, server).state = State.WITHDRAWN
        work.order("publish", {"hosts": [HOST], "addresses": []})
    daily.run_daily(office)
    with office.reading() as work:
        assert work.session.scalars(select(ServerAddress.server_id)).all() == [staying]
    publish(office)
    check_published(office)


def test_orders_of_addresses_are_small(office: Office, dns: DnsServer) -> None:
    servers = []
    for number in range(30):
        name = f"m{number}.example.org"
        dns.set(name, "A", *(f"198.51.{number}.{last}" for last in range(30)))
        servers.append((add_server(office, name), name))
    with office.work() as work:
        record(work, look_up(office.config, servers))
    with office.reading() as work:
        waiting = select(Job.payload).where(Job.state == JobState.WAITING)
        sizes = [len(one["addresses"]) for one in work.session.scalars(waiting)]
    assert sorted(sizes) == [400, 500]
