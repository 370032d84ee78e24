"""Zones of any content, and both ends of an exchange, for the tests of transfers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.xfr
import dns.zone
from hypothesis import strategies as st

from countersign.registry.transfer.asking import make_question
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import Question, read_question
from countersign.registry.transfer.receiving import (
    Add,
    End,
    Event,
    Remove,
    Step,
    TransferReader,
    Whole,
)
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.content import Apex, apex_node
from countersign.registry.zone.names import APEX, key_of, zone_wire
from countersign.registry.zone.records import make_node, record, split_node

ZONE = zone_wire("list.example")
NOW = 1_800_000_000.0
KEY = TsigKey.generate("replica-1.example")
KEYS = {KEY.name: KEY}
EXPIRE = 1_209_600

Nodes = dict[bytes, bytes]

_labels = st.binary(min_size=1, max_size=12).filter(lambda label: b"\0" not in label)
keys = st.lists(_labels, min_size=1, max_size=4).map(key_of)
_names = st.lists(_labels, max_size=3).map(
    lambda labels: dns.name.Name([*labels, b""]).to_digestable()
)
_numbers = st.integers(0, 0xFFFF).map(lambda number: number.to_bytes(2))
_text = st.lists(st.binary(max_size=40), min_size=1, max_size=3).map(
    lambda strings: b"".join(bytes((len(one),)) + one for one in strings)
)


def _records(kind: int, rdata: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return rdata.map(lambda octets: record(kind, 300, octets))


any_record = st.one_of(
    _records(1, st.binary(min_size=4, max_size=4)),
    _records(28, st.binary(min_size=16, max_size=16)),
    _records(16, _text),
    _records(16, st.just((b"\xff" + bytes(255)) * 100)),
    _records(2, _names),
    _records(12, _names),
    _records(15, st.builds(bytes.__add__, _numbers, _names)),
    _records(33, st.builds(lambda a, b, c, d: a + b + c + d, *[_numbers] * 3, _names)),
    _records(65_400, st.binary(max_size=60)),
)
any_node = st.lists(any_record, min_size=1, max_size=4).map(make_node)
any_nodes = st.dictionaries(keys, any_node, max_size=12)


def soa_of(serial: int) -> bytes:
    """A SOA record."""
    return split_node(apex_of(serial))[-2]


def apex_of(serial: int) -> bytes:
    """The apex's node: NS, SOA, TXT."""
    apex = Apex("ns.example.org", "host.master@example.org", ("ns.example.net",), expire=EXPIRE)
    return apex_node(apex, serial)


def records_of(nodes: Nodes) -> set[tuple[bytes, bytes]]:
    """All (key, record)."""
    return {(key, one) for key, node in nodes.items() for one in split_node(node)}


def changes_between(before: Nodes, after: Nodes) -> list[NodeChange]:
    """What makes one zone the other."""
    both = sorted(before.keys() | after.keys())
    changes = [NodeChange(key, before.get(key, b""), after.get(key, b"")) for key in both]
    return [change for change in changes if change.before != change.after]


def question_and_reader(
    kind: int, serial: int | None = None, key: TsigKey | None = KEY
) -> tuple[Question, TransferReader]:
    """A question as the server reads it, and what reads its answer."""
    message, verifier = make_question(kind, ZONE, serial, key, message_id=7, now=NOW)
    question = read_question(message, KEYS.get, NOW, needs_key=False)
    return question, TransferReader(ZONE, kind, serial, message_id=7, verifier=verifier)


def read_all(reader: TransferReader, messages: Iterable[bytes]) -> list[Event]:
    """All events of a stream."""
    return [event for message in messages for event in reader.feed(message, NOW)]


def applied(nodes: Nodes, events: Sequence[Event]) -> set[tuple[bytes, bytes]]:
    """The records of a zone after a transfer; each removal and addition must be one."""
    records = records_of(nodes)
    for event in events:
        match event:
            case Whole():
                records = set()
            case Remove(gone):
                for one in gone:
                    records.remove(one)
            case Add(come):
                for one in come:
                    assert one not in records
                    records.add(one)
            case Step() | End():
                pass
            case _:
                raise AssertionError(event)
    assert isinstance(events[-1], End)
    return records


def foreign_query(
    kind: str, serial: int | None = None, key: TsigKey | None = KEY
) -> dns.message.QueryMessage:
    """A question as dnspython asks it."""
    query = dns.message.make_query(dns.name.from_text("List.Example"), kind)
    if serial is not None:
        soa = dns.rrset.from_text("list.example.", 0, "IN", "SOA", f". . {serial} 0 0 0 0")
        query.authority.append(soa)
    if key is not None:
        query.use_tsig(key.for_dns())
    return query


def foreign_zone(nodes: Nodes) -> dns.zone.Zone:
    """A zone as dnspython keeps it."""
    zone = dns.zone.Zone("list.example.", relativize=False)
    with zone.writer() as writer:
        for key, one in records_of(nodes):
            name, kind, rdata = taken_apart(key, one)
            data = dns.rdata.from_wire("IN", kind, rdata, 0, len(rdata))
            writer.add(name, int.from_bytes(one[4:8]), data)
    return zone


def taken_apart(key: bytes, one: bytes) -> tuple[dns.name.Name, dns.rdatatype.RdataType, bytes]:
    """A record's owner, type and data."""
    labels = [] if key == APEX else key[1:].split(b"\0")[::-1]
    name = dns.name.Name(labels).concatenate(dns.name.from_text("list.example."))
    return name, dns.rdatatype.RdataType.make(int.from_bytes(one[:2])), one[10:]


def foreign_records(zone: dns.zone.Zone) -> set[tuple[bytes, bytes]]:
    """All (key, record) of a zone that dnspython keeps."""
    found = set()
    for name, rdataset in zone.iterate_rdatasets():
        key = key_of(name.relativize(zone.origin).labels)
        for rdata in rdataset:
            octets = rdata.to_digestable()
            found.add((key, record(rdataset.rdtype, rdataset.ttl, octets)))
    return found


def foreign_inbound(
    query: dns.message.QueryMessage, messages: Iterable[bytes], zone: dns.zone.Zone
) -> bool:
    """Let dnspython read an answer; tell whether it is complete."""
    serial = query.authority[0][0].serial if query.authority else None
    context, done = None, False
    with dns.xfr.Inbound(zone, query.question[0].rdtype, serial) as inbound:
        for octets in messages:
            message = dns.message.from_wire(
                octets,
                keyring=query.keyring,
                request_mac=query.mac,
                xfr=True,
                tsig_ctx=context,
                multi=True,
                one_rr_per_rrset=True,
            )
            context = message.tsig_ctx
            done = inbound.process_message(message)
            assert octets[:2] == query.id.to_bytes(2)
    return done


def foreign_messages(
    query: dns.message.QueryMessage,
    owned: Sequence[tuple[str, str, str]],
    sizes: Sequence[int],
) -> Iterator[bytes]:
    """Give an answer as dnspython writes it: (name, type, text) each, cut into messages.

    sizes: records of each message but the last.
    """
    at, context = 0, None
    for size in [*sizes, len(owned)]:
        part = owned[at : at + size]
        at += size
        if not part:
            continue
        response = dns.message.make_response(query)
        for name, kind, text in part:
            rrset = dns.rrset.from_text(name, 300, "IN", kind, text)
            response.answer.append(rrset)
        octets = response.to_wire(max_size=65_535, multi=True, tsig_ctx=context, want_shuffle=False)
        context = response.tsig_ctx
        yield octets
