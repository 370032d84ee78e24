from __future__ import annotations

import contextlib
import ipaddress
import random

import dns.name
import dns.rdatatype
import dns.zone
import pytest
from dns.zone import DigestScheme
from hypothesis import given
from hypothesis import strategies as st

from countersign.registry.lookup import Standing
from countersign.registry.zone import changes as changing
from countersign.registry.zone.changes import ChangeError, NodeChange
from countersign.registry.zone.content import (
    HOSTS_AT_AN_ADDRESS,
    Listed,
    address_key,
    address_node,
    apex_node,
    can_list,
    host_nodes,
    published_serial,
    signing_key,
    vouch_key,
)
from countersign.registry.zone.digest import (
    SHA384,
    SHAKE_SUM,
    SIMPLE,
    SUM,
    NodeSum,
    claimed_digest,
    digest_record,
    simple_digest,
)
from countersign.registry.zone.names import (
    APEX,
    OwnerNameError,
    below,
    host_key,
    key_of,
    labels_of,
    text_of,
    wire_of,
    zone_wire,
)
from countersign.registry.zone.records import (
    TXT,
    RecordError,
    make_node,
    read_node,
    record,
    split_node,
    text_record,
)
from countersign.registry.zone.serial import is_newer, lag, next_serial
from tests.registry.zone.zones import APEX_FACTS, ZONE, as_dnspython, small_zone

LABELS = st.lists(
    st.binary(min_size=1, max_size=20).filter(lambda label: b"\0" not in label), max_size=6
)
SERIALS = st.integers(0, 2**32 - 1)
NODES = st.lists(
    st.builds(record, st.integers(1, 300), st.integers(0, 2**31 - 1), st.binary(max_size=40)),
    max_size=4,
).map(make_node)


# -- names -----------------------------------------------------------------------------------


@given(st.lists(LABELS, max_size=20))
def test_keys_have_the_order_of_the_dns(names: list[list[bytes]]) -> None:
    lowered = [[label.lower() for label in labels] for labels in names]
    by_key = sorted(lowered, key=key_of)
    by_name = sorted(lowered, key=lambda labels: dns.name.Name([*labels, b""]))
    assert by_key == by_name


@given(LABELS)
def test_a_key_gives_its_labels_back(labels: list[bytes]) -> None:
    key = key_of(labels)
    assert labels_of(key) == [label.lower() for label in labels]
    assert dns.name.Name([*labels_of(key), b""]).to_wire() == wire_of(key) + b"\0"


def test_a_name_and_all_below_it_are_one_stretch() -> None:
    keys = sorted(host_key(name) for name in ("a.b", "x.a.b", "a-b.b", "z.a.b", "ab.b", "b", "c"))
    top = host_key("a.b")
    stretch = [key for key in keys if key == top or key.startswith(top + b"\0")]
    at = keys.index(top)
    assert keys[at : at + 3] == stretch


def test_names_that_cannot_be_in_the_zone_are_refused() -> None:
    for labels in ([b""], [b"a\0b"], [b"x" * 63] * 5):
        with pytest.raises(OwnerNameError):
            key_of(labels)
    with pytest.raises(OwnerNameError):
        zone_wire("a..b")
    assert zone_wire("Registry.Example.") == b"\x08registry\x07example\0"
    assert text_of(APEX) == "@"
    assert text_of(below(host_key("example.org"), b"_domainkey")) == "_domainkey.example.org"


# -- records ---------------------------------------------------------------------------------


@given(NODES)
def test_a_node_is_its_records_in_order_each_once(node: bytes) -> None:
    records = split_node(node)
    random.Random(1).shuffle(records)
    assert make_node([*records, *records]) == node
    assert [one.kind for one in read_node(node)] == sorted(one.kind for one in read_node(node))


@given(st.binary(max_size=60))
def test_octets_that_are_no_records_are_refused(octets: bytes) -> None:
    with contextlib.suppress(RecordError):
        assert b"".join(split_node(octets)) == octets


@given(st.text(max_size=700))
def test_a_long_text_is_cut_into_strings(text: str) -> None:
    [found] = read_node(text_record(5, text))
    strings, rest = [], found.rdata
    while rest:
        strings.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    assert b"".join(strings) == text.encode()
    assert (found.kind, found.ttl) == (TXT, 5)


# -- serials ---------------------------------------------------------------------------------


@given(SERIALS, st.integers(1, 2**31 - 1))
def test_serials_are_compared_around_the_circle(serial: int, steps: int) -> None:
    later = (serial + steps) % 2**32
    assert is_newer(later, serial)
    assert not is_newer(serial, later)
    assert lag(serial, later) == steps
    assert lag(later, serial) == -steps


@given(SERIALS, st.floats(0, 2**33))
def test_the_next_serial_is_newer_whatever_the_clock_says(serial: int, now: float) -> None:
    assert is_newer(next_serial(serial, now), serial)


def test_a_restored_registrar_goes_on_above_all_that_it_has_published() -> None:
    published = next_serial(1_790_000_000, 1_800_000_000.0)
    restored = 1_790_000_000
    assert is_newer(next_serial(restored, 1_800_000_060.0), published)


# -- content ---------------------------------------------------------------------------------


def texts(node: bytes) -> list[str]:
    return [
        "".join(part.decode() for part in one.strings)
        for one in as_dnspython({APEX: node}).find_rdataset(f"{ZONE}.", "TXT")
    ]


def test_a_registered_server_has_an_address_a_text_a_voucher_and_its_keys() -> None:
    zone = as_dnspython(small_zone())
    name = f"mail.example.org.{ZONE}."
    [address] = zone.find_rdataset(name, "A")
    assert address.address == "127.0.0.2"
    assert texts(small_zone()[host_key("mail.example.org")]) == [
        "v=countersign1; pin=3 1 1 " + "ab" * 32
    ]
    [voucher] = zone.find_rdataset(f"mail.example.org._vouch.{ZONE}.", "TXT")
    assert voucher.strings == (b"all",)
    [key] = zone.find_rdataset(f"2026.east._domainkey.{name}", "TXT")
    assert key.strings == (b"v=DKIM1; p=AAAA",)


def test_a_suspended_server_has_a_text_alone() -> None:
    zone = as_dnspython(small_zone())
    name = f"mx.example.com.{ZONE}."
    assert zone.get_rdataset(name, "A") is None
    assert texts(small_zone()[host_key("mx.example.com")]) == [
        "v=countersign1; reason=It sent spam, to a trap"
    ]
    assert zone.get_rdataset(f"mx.example.com._vouch.{ZONE}.", "TXT") is None


def test_a_suspended_server_keeps_its_signing_keys() -> None:
    server = Listed("a.example", Standing.SUSPENDED, keys=(("s", "v=DKIM1; p=AAAA"),))
    assert signing_key("a.example", "s") in dict(host_nodes(server, 300))
    assert vouch_key("a.example") not in dict(host_nodes(server, 300))


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        ("192.0.2.99", "99.2.0.192.ip"),
        ("2001:db8::1", ".".join([*"1" + "0" * 23 + "8bd01002", "ip"])),
        ("127.0.0.2", "2.0.0.127.ip"),
        ("::ffff:127.0.0.2", ".".join([*"200000f7ffff" + "0" * 20, "ip"])),
    ],
)
def test_addresses_are_written_as_rfc_5782_does(address: str, owner: str) -> None:
    assert text_of(address_key(address)) == owner


def test_test_entries_are_listed_and_their_opposites_never() -> None:
    nodes = small_zone()
    for address in ("127.0.0.2", "::ffff:127.0.0.2"):
        assert nodes[address_key(address)]
    assert nodes[host_key("test")]
    assert host_key("invalid") not in nodes
    for address in ("127.0.0.1", "::ffff:127.0.0.1"):
        assert address_node(address, ["mail.example.org"], 300) == b""


def test_an_address_names_some_of_its_servers_and_none_is_no_entry() -> None:
    names = [f"mail{number:03}.example" for number in range(100)]
    node = address_node("192.0.2.1", names, 300)
    assert len(texts(node)) == HOSTS_AT_AN_ADDRESS
    assert address_node("192.0.2.1", [], 300) == b""


def test_a_hostname_that_clashes_with_the_zone_itself_is_not_listed() -> None:
    assert can_list("mail.example.org", ZONE)
    for name in ("localhost", "1.2.3.4.ip", "a._vouch", "mail.test", "x." * 115 + "example"):
        assert not can_list(name, ZONE)


def test_the_apex_says_who_is_responsible() -> None:
    zone = as_dnspython(small_zone(serial=4_000_000_000))
    [soa] = zone.find_rdataset(f"{ZONE}.", "SOA")
    assert soa.serial == 4_000_000_000
    assert soa.rname == dns.name.from_text("host\\.master.example.net.")
    assert len(zone.find_rdataset(f"{ZONE}.", "NS")) == 2
    zone.check_origin()


@given(SERIALS)
def test_the_apex_says_the_serial_for_those_who_meet_a_signers_own(serial: int) -> None:
    [text] = texts(apex_node(APEX_FACTS, serial))
    assert published_serial(text) == serial


@pytest.mark.parametrize(
    "text",
    [
        "",
        "serial=7",
        "v=countersign1",
        "v=countersign1; serial=",
        "v=countersign1; serial=-7",
        "v=countersign1; serial=4294967296",
        "v=countersign1; url=https://x.example/serial=7/",
        "v=countersign2; serial=7",
    ],
)
def test_a_text_that_says_no_serial_is_none(text: str) -> None:
    assert published_serial(text) is None


# -- digests ---------------------------------------------------------------------------------


def with_digest(serial: int) -> dict[bytes, bytes]:
    nodes = small_zone(serial)
    digest = simple_digest(zone_wire(ZONE), sorted(nodes.items()))
    nodes[APEX] = apex_node(
        APEX_FACTS, serial, [digest_record(300, serial, SIMPLE, SHA384, digest)]
    )
    return nodes


def test_a_foreign_implementation_accepts_our_digest() -> None:
    nodes = with_digest(7)
    as_dnspython(nodes).verify_digest()
    nodes[host_key("mx.example.com")] = text_record(300, "something else")
    with pytest.raises(dns.zone.DigestVerificationFailure):
        as_dnspython(nodes).verify_digest()


def test_we_accept_a_foreign_digest() -> None:
    nodes = small_zone()
    foreign = as_dnspython(nodes).compute_digest(dns.zone.DigestHashAlgorithm.SHA384)
    assert foreign.scheme == DigestScheme.SIMPLE
    assert foreign.digest == simple_digest(zone_wire(ZONE), sorted(nodes.items()))


def test_a_digest_counts_for_its_own_serial_only_and_only_if_it_is_the_only_one() -> None:
    one = digest_record(300, 7, SIMPLE, SHA384, bytes(48))
    other = digest_record(300, 7, SIMPLE, SHA384, b"\1" * 48)
    summed = digest_record(300, 7, SUM, SHAKE_SUM, b"\2" * 48)
    apex = apex_node(APEX_FACTS, 7, [one, summed])
    assert claimed_digest(apex, 7, SIMPLE, SHA384) == bytes(48)
    assert claimed_digest(apex, 7, SUM, SHAKE_SUM) == b"\2" * 48
    assert claimed_digest(apex, 8, SIMPLE, SHA384) is None
    assert claimed_digest(apex_node(APEX_FACTS, 7, [one, other]), 7, SIMPLE, SHA384) is None
    assert claimed_digest(apex_node(APEX_FACTS, 7), 7, SIMPLE, SHA384) is None


@given(st.dictionaries(LABELS.map(key_of), NODES, max_size=8), st.randoms())
def test_a_sum_kept_up_to_date_is_the_sum_made_anew(
    nodes: dict[bytes, bytes], chance: random.Random
) -> None:
    kept, anew = NodeSum(), NodeSum()
    passing = {key: text_record(1, "passing") for key in nodes}
    steps = [*nodes.items(), *passing.items()]
    chance.shuffle(steps)
    for key, node in steps:
        kept.add(key, node)
    for key, node in passing.items():
        kept.remove(key, node)
    for key, node in nodes.items():
        anew.add(key, node)
    assert kept.to_bytes() == anew.to_bytes()
    assert NodeSum(kept.to_bytes()).digest() == anew.digest()


def test_the_digests_leave_themselves_out_and_notice_everything_else() -> None:
    plain, digested = small_zone(), with_digest(7)
    sums = []
    for nodes in (plain, digested, small_zone(8)):
        total = NodeSum()
        for key, node in nodes.items():
            total.add(key, node)
        sums.append(total.digest())
    assert sums[0] == sums[1] != sums[2]


# -- changes ---------------------------------------------------------------------------------

KEYS = st.sampled_from([host_key(f"h{number}.example") for number in range(5)])
VERSIONS = st.lists(st.dictionaries(KEYS, NODES, max_size=4), max_size=6)


def histories(
    versions: list[dict[bytes, bytes]],
) -> tuple[list[list[NodeChange]], dict[bytes, bytes]]:
    state: dict[bytes, bytes] = {}
    journal = []
    for wanted in versions:
        journal.append(
            [NodeChange(key, state.get(key, b""), after) for key, after in wanted.items()]
        )
        state |= wanted
    return journal, state


@given(VERSIONS)
def test_condensed_changes_do_what_all_in_turn_do(versions: list[dict[bytes, bytes]]) -> None:
    journal, state = histories(versions)
    net = changing.condense(journal)
    assert {key: after for key, _, after in net if after} == {
        key: node for key, node in state.items() if node
    }
    assert [change.key for change in net] == sorted({change.key for change in net})
    for change in net:
        assert change.before == b""
        assert make_node(change.added) == change.after


@given(VERSIONS)
def test_changes_survive_the_journal(versions: list[dict[bytes, bytes]]) -> None:
    for changes in histories(versions)[0]:
        assert changing.unpack_changes(changing.pack_changes(changes)) == changes


@given(st.binary(max_size=100))
def test_octets_that_are_no_changes_are_refused(octets: bytes) -> None:
    with contextlib.suppress(ChangeError):
        assert changing.pack_changes(changing.unpack_changes(octets)) == octets


def test_versions_that_do_not_follow_one_another_are_refused() -> None:
    key = host_key("a.example")
    one, two, three = (text_record(1, text) for text in "123")
    with pytest.raises(ChangeError):
        changing.condense([[NodeChange(key, b"", one)], [NodeChange(key, two, three)]])


@given(NODES, NODES)
def test_removed_and_added_records_lead_from_one_node_to_the_other(
    before: bytes, after: bytes
) -> None:
    change = NodeChange(APEX, before, after)
    kept = set(split_node(before)) - set(change.removed)
    assert make_node([*kept, *change.added]) == after


def test_every_address_that_python_knows_has_a_key() -> None:
    for address in ("0.0.0.0", "255.255.255.255", "::", "fe80::1"):
        labels = labels_of(address_key(address))
        assert labels[-1] == b"ip"
        assert len(labels) - 1 == (4 if ipaddress.ip_address(address).version == 4 else 32)
