"""What the zone must be, from the database's tables."""

from __future__ import annotations

import datetime
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from countersign.registrar.operations.office import Office
from countersign.registrar.publishing.image import (
    addresses_of,
    apex_of,
    image,
    nodes_of,
    nodes_of_addresses,
)
from countersign.registry.zone.content import address_key, apex_node, host_keys, signing_key
from countersign.registry.zone.names import APEX, below, host_key, text_of
from countersign.registry.zone.records import TXT, A, read_node
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import ApplicantKind, Server
from tests.registrar.operations import life
from tests.registrar.publishing.making import PIN, SIGNING, SINCE, add_key, add_server

ALWAYS = {
    below(APEX, b"test"),
    address_key("127.0.0.2"),
    address_key("::ffff:127.0.0.2"),
}


def whole(office: Office) -> dict[bytes, bytes]:
    with office.reading() as work:
        nodes = list(image(work))
    assert len(dict(nodes)) == len(nodes)
    return dict(nodes)


def text(node: bytes) -> list[str]:
    return [b"".join(_strings(one.rdata)).decode() for one in read_node(node) if one.kind == TXT]


def _strings(rdata: bytes) -> list[bytes]:
    strings, at = [], 0
    while at < len(rdata):
        strings.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return strings


def kinds(node: bytes) -> list[int]:
    return [one.kind for one in read_node(node)]


def test_an_empty_registry_lists_its_test_points_only(office: Office) -> None:
    assert whole(office).keys() == ALWAYS


def test_a_registered_server_has_its_name_voucher_keys_and_addresses(office: Office) -> None:
    server = add_server(office, "mail.example.org", State.ACTIVE, "", "192.0.2.9", "2001:db8::9")
    add_key(office, server, PIN)
    add_key(office, server, PIN.replace("ab", "cd"))
    add_key(office, server, PIN.replace("ab", "ef"), revoked=True)
    add_key(office, server, SIGNING, "s1.main")
    add_key(office, server, SIGNING, "old", revoked=True)
    nodes = whole(office)
    own, voucher, _ = host_keys("mail.example.org")
    signing = signing_key("mail.example.org", "s1.main")
    at = {address_key("192.0.2.9"), address_key("2001:db8::9")}
    assert nodes.keys() == ALWAYS | {own, voucher, signing} | at
    assert kinds(nodes[own]) == [A, TXT]
    assert text(nodes[own]) == [f"v=countersign1; pin={PIN}; pin={PIN.replace('ab', 'cd')}"]
    assert text(nodes[voucher]) == ["all"]
    assert text(nodes[signing]) == [SIGNING]
    for key in at:
        assert text(nodes[key]) == ["v=countersign1; host=mail.example.org"]


def test_a_suspended_server_has_a_reason_and_no_address(office: Office) -> None:
    reason = 'Sent "bulk" mail; to \u4e16\u754c'
    server = add_server(office, "b.example.org", State.SUSPENDED, reason, "192.0.2.9")
    add_key(office, server, PIN)
    add_key(office, server, SIGNING, "s1")
    nodes = whole(office)
    own, _, _ = host_keys("b.example.org")
    assert nodes.keys() == ALWAYS | {own, signing_key("b.example.org", "s1")}
    assert kinds(nodes[own]) == [TXT]
    said = 'v=countersign1; since=2026-02-01; reason=Sent "bulk" mail, to \u4e16\u754c'
    assert text(nodes[own]) == [said]


def test_nobody_else_is_in_the_zone(office: Office) -> None:
    for state in set(State) - {State.ACTIVE, State.SUSPENDED}:
        add_key(office, add_server(office, f"{state}.example.org", state, "", "192.0.2.9"), PIN)
    assert whole(office).keys() == ALWAYS


def test_an_entry_that_gateways_could_not_read_costs_no_other(office: Office) -> None:
    add_key(office, add_server(office, "bad.example.org"), "3 1 1 no-hex")
    for name in ("not a name", "a.b.ip", "x._domainkey.good.example.org", "single", "Upper.org"):
        add_server(office, name, State.ACTIVE, "", "192.0.2.9")
    add_server(office, ".".join(["a" * 60] * 4), State.ACTIVE, "", "192.0.2.9")
    longest = ".".join(["a" * 50] * 4)
    add_key(office, add_server(office, longest), SIGNING, "s" * 63)
    add_server(office, "good.example.org")
    names = {text_of(key) for key in whole(office).keys() - ALWAYS}
    assert names == {
        "good.example.org",
        "good.example.org._vouch",
        longest,
        f"{longest}._vouch",
    }


def test_a_key_or_an_address_that_no_zone_can_have_costs_no_other(office: Office) -> None:
    at = ("no address", "192.0.2", "fe80::1%eth0", "192.0.2.9")
    server = add_server(office, "good.example.org", State.ACTIVE, "", *at)
    for selector in ("a..b", "b" * 64, "\u00e9", "Upper", "c d", ".", "s1"):
        add_key(office, server, SIGNING, selector)
    add_key(office, server, "p=" + "A" * 70_000, "long")
    add_key(office, server, "\u00e9", "odd")
    own, voucher, _ = host_keys("good.example.org")
    wanted = {own, voucher, signing_key("good.example.org", "s1"), address_key("192.0.2.9")}
    assert whole(office).keys() == ALWAYS | wanted
    with office.reading() as work:
        assert nodes_of_addresses(work, at).keys() == {address_key("192.0.2.9")}


def test_servers_at_one_address_are_named_together_up_to_a_bound(office: Office) -> None:
    for number in range(25):
        add_server(office, f"m{number:02}.example.org", State.ACTIVE, "", "192.0.2.9")
    add_server(office, "local.example.org", State.ACTIVE, "", "127.0.0.2", "127.0.0.1")
    nodes = whole(office)
    named = text(nodes[address_key("192.0.2.9")])
    assert named == [f"v=countersign1; host=m{number:02}.example.org" for number in range(20)]
    assert len(text(nodes[address_key("127.0.0.2")])) == 2
    assert address_key("127.0.0.1") not in nodes


def test_nodes_asked_for_one_by_one_are_those_of_the_image(office: Office) -> None:
    hosts = ["a.example.org", "b.example.org", "c.example.org", "d.example.org"]
    states = [State.ACTIVE, State.SUSPENDED, State.LAPSED, State.ACTIVE]
    at = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.2", "192.0.2.77"]
    for number, (host, state) in enumerate(zip(hosts, states, strict=True)):
        server = add_server(office, host, state, "why", *at[number : number + 2])
        add_key(office, server, PIN)
        add_key(office, server, SIGNING, "s1")
        add_key(office, server, SIGNING, "s2")
    nodes = whole(office)
    with office.reading() as work:
        of_hosts = nodes_of(work, [*hosts, "none.example.org"])
        of_addresses = nodes_of_addresses(work, [*at, "127.0.0.2", "::ffff:127.0.0.2"])
        assert addresses_of(work, hosts[1:2]) == {"192.0.2.2", "2001:db8::1"}
    assert of_hosts["c.example.org"] == of_hosts["none.example.org"] == {}
    asked: dict[bytes, bytes] = {key: node for key, node in of_addresses.items() if node}
    for one in of_hosts.values():
        asked |= one
    test = below(APEX, b"test")
    assert asked == {key: node for key, node in nodes.items() if key != test}


def test_a_host_name_that_was_registered_before_shows_its_present_server(office: Office) -> None:
    add_key(office, add_server(office, "a.example.org", State.DEREGISTERED), PIN)
    add_server(office, "a.example.org", State.ACTIVE)
    with office.reading() as work:
        nodes = nodes_of(work, ["a.example.org"])["a.example.org"]
    assert text(nodes[host_key("a.example.org")]) == ["v=countersign1"]


def test_the_apex_says_who_is_responsible_and_when_the_cut_over_ends(office: Office) -> None:
    publication = office.config.publication.model_copy(
        update={"nameservers": ("NS1.example.net", "ns2.example.net"), "contact": "a.b@example.net"}
    )
    day = datetime.date(2027, 1, 1)
    office = replace(
        office,
        config=office.config.model_copy(update={"publication": publication, "s_day": day}),
    )
    apex = apex_of(office.config)
    node = apex_node(apex, 7)
    assert text(node) == ["v=countersign1; serial=7; s-day=2027-01-01; url=http://localhost:8025"]
    assert b"\3ns1\7example\3net\0" in node
    assert b"\3a.b\7example\3net\0" in node


def test_the_apex_of_a_zone_without_name_servers_names_none_that_could_be_asked(
    office: Office,
) -> None:
    assert apex_of(office.config).nameservers == ("localhost",)


@pytest.mark.slow
def test_a_large_image_is_made_in_bounded_memory(office: Office) -> None:
    owner = life.make_account(office, life.OWNER_EMAIL)
    rows: list[dict[str, Any]] = [
        {
            "hostname": f"mail{number}.example.org",
            "state": State.ACTIVE,
            "state_since": SINCE,
            "owner_id": owner,
            "kind": ApplicantKind.INDIVIDUAL,
            "created_at": SINCE,
            "bond_reasons": [],
        }
        for number in range(30_000)
    ]
    with office.work() as work:
        work.session.execute(insert(Server), rows)
    del rows
    tracemalloc.start()
    with office.reading() as work:
        count = sum(1 for _ in image(work))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60_003
    assert peak < 16_000_000
