"""Zones as they are received: dnspython is the server, or an attacker stands between."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import refuse
from countersign.registry.transfer.asking import TransferError, make_question
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.receiving import (
    Add,
    End,
    Event,
    Remove,
    Step,
    TransferReader,
    UpToDate,
    Whole,
)
from countersign.registry.transfer.sending import answer_records, whole_zone
from countersign.registry.transfer.signature import TsigError
from countersign.registry.zone.names import APEX, key_of
from countersign.registry.zone.records import record
from tests.registry.transfer.zones import (
    KEY,
    NOW,
    ZONE,
    any_nodes,
    apex_of,
    applied,
    foreign_messages,
    question_and_reader,
    read_all,
    records_of,
    soa_of,
)

pytestmark = pytest.mark.usefixtures("foreign_clock")

Text = tuple[str, str, str]


def soa(serial: int) -> Text:
    return "LIST.example.", "SOA", f"NS.Example. Host.example. {serial} 1 2 3 4"


MIXED: list[Text] = [
    ("list.example.", "NS", "NS.Example.NET."),
    ("Mail.Example.ORG.list.example.", "A", "127.0.0.2"),
    ("mail.example.org.list.example.", "TXT", '"v=Countersign1"'),
    ("mail.example.org.list.example.", "AAAA", "::1"),
    ("example.org.LIST.example.", "MX", "10 MAIL.example.org.list.example."),
    ("_smtp._tcp.list.example.", "SRV", "1 2 3 Mail.example.org.list.example."),
    ("alias.list.example.", "CNAME", "Mail.Example.org.list.example."),
    ("delegated.list.example.", "DNAME", "Other.Example."),
    ("ptr.list.example.", "PTR", "LIST.example."),
    ("x.list.example.", "NAPTR", '1 2 "S" "A+b" "" Mail.LIST.example.'),
    ("x.list.example.", "CAA", '0 issue "CA.example"'),
    ("x.list.example.", "NSEC", "Y.list.example. A NSEC"),
    (
        "x.list.example.",
        "RRSIG",
        "A 13 3 60 20300101000000 20200101000000 1 LIST.Example. AAAA",
    ),
    ("*.wild.list.example.", "TYPE65400", "\\# 3 c00c00"),
    ("a\\.b\\032c.list.example.", "TXT", '"dots and spaces"'),
]


def canonical(owned: list[Text]) -> set[tuple[bytes, bytes]]:
    """The same records as dnspython's own canonical form has them."""
    found = set()
    origin = dns.name.from_text("list.example.")
    for name, kind, text in owned:
        rdata = dns.rdata.from_text("IN", kind, text)
        labels = dns.name.from_text(name).relativize(origin).labels
        found.add((key_of(labels), record(rdata.rdtype, 300, rdata.to_digestable())))
    return found


def served(
    owned: list[Text],
    sizes: list[int],
    *,
    kind: int = wire.AXFR,
    serial: int | None = None,
    key: TsigKey | None = KEY,
    max_records: int = 1000,
) -> tuple[TransferReader, list[bytes]]:
    """A reader, and the answer that dnspython makes for it."""
    message, verifier = make_question(kind, ZONE, serial, key, message_id=7, now=NOW)
    query = dns.message.from_wire(message, None if key is None else key.for_dns())
    reader = TransferReader(
        ZONE, kind, serial, message_id=7, verifier=verifier, max_records=max_records
    )
    assert isinstance(query, dns.message.QueryMessage)
    return reader, list(foreign_messages(query, owned, sizes))


def events_of(owned: list[Text], serial: int, sizes: list[int] | None = None) -> list[Event]:
    return read_all(*served(owned, sizes or [], kind=wire.IXFR, serial=serial))


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=8), st.sampled_from([KEY, None]))
def test_a_zone_of_mixed_types_and_compressed_names_comes_in_canonical_form(
    sizes: list[int], key: TsigKey | None
) -> None:
    events = read_all(*served([soa(5), *MIXED, soa(5)], sizes, key=key))
    assert (events[0], events[-1]) == (Whole(5), End(5))
    assert applied({}, events) == canonical([soa(5), *MIXED])


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), max_size=12))
def test_steps_are_told_however_they_are_cut_into_messages(sizes: list[int]) -> None:
    one, two, three = MIXED[1:4]
    owned = [soa(7), soa(5), one, soa(6), two, three, soa(6), three, soa(7), one, soa(7)]
    events = events_of(owned, 5, sizes)
    assert events[-1] == End(7)
    assert [event for event in events if isinstance(event, Step)] == [Step(5, 6), Step(6, 7)]
    told = [
        (isinstance(event, Add), found)
        for event in events
        if isinstance(event, Add | Remove)
        for found in event.records
    ]
    expected = [False, False, True, True, True, False, False, True, True]
    assert [added for added, _ in told] == expected
    order = [soa(5), one, soa(6), two, three, soa(6), three, soa(7), one]
    assert [found for _, found in told] == [min(canonical([each])) for each in order]


def test_a_question_for_changes_may_be_answered_with_the_whole_zone() -> None:
    for sizes in ([], [1], [2]):
        events = events_of([soa(9), *MIXED, soa(9)], 5, sizes)
        assert events[0] == Whole(9)
        assert applied({}, events) == canonical([soa(9), *MIXED])
    assert events_of([soa(9), soa(9)], 5) == [
        Whole(9),
        Add([min(canonical([soa(9)]))]),
        End(9),
    ]


@pytest.mark.parametrize("serial", [5, 4, 2**32 - 1])
def test_a_server_that_has_nothing_newer_says_so(serial: int) -> None:
    reader, messages = served([soa(serial)], [], kind=wire.IXFR, serial=5)
    assert read_all(reader, messages) == [UpToDate(serial)]
    assert reader.is_done
    with pytest.raises(TransferError, match="behind the end"):
        reader.feed(messages[0], NOW)


def test_serials_go_around_the_circle() -> None:
    last = 2**32 - 1
    events = events_of([soa(1), soa(last), soa(1), MIXED[1], soa(1)], last)
    assert events[-2:] == [Step(last, 1), End(1)]


TXT = MIXED[2]


@pytest.mark.parametrize(
    ("owned", "words"),
    [
        ([TXT], "does not begin with a SOA"),
        ([soa(9), soa(6), TXT], "does not begin where"),
        ([soa(9), soa(5), TXT, soa(5), TXT], "no newer serial"),
        ([soa(9), soa(5), TXT, soa(4), TXT], "no newer serial"),
        ([soa(9), soa(5), TXT, soa(7), TXT, soa(8)], "does not begin where"),
        ([soa(9), soa(5), soa(9), soa(9), TXT], "behind the end"),
        ([soa(9), soa(5), soa(9), soa(9), soa(9)], "behind the end"),
        ([soa(9), TXT, soa(8)], "is not the first one"),
        ([soa(9), soa(5), soa(9), ("list.example.", "SOA", ". . 9 9 9 9 9")], "not the first one"),
        ([soa(5), TXT], "behind the end"),
        ([soa(9), TXT, ("sub.list.example.", "SOA", ". . 9 9 9 9 9")], "below the zone's own"),
        ([soa(9), ("other.example.", "A", "127.0.0.2")], "not in the zone"),
        ([soa(9), ("notlist.example.", "A", "127.0.0.2")], "not in the zone"),
        ([soa(9), ("example.", "A", "127.0.0.2")], "not in the zone"),
        ([soa(9), ("a\\000b.list.example.", "A", "127.0.0.2")], "NUL"),
    ],
)
def test_what_the_protocol_does_not_allow_is_refused(owned: list[Text], words: str) -> None:
    with pytest.raises(TransferError, match=words):
        events_of(owned, 5)


def changed_answer(change: str) -> tuple[TransferReader, bytes]:
    reader, [octets] = served([soa(5), TXT, soa(5)], [], key=None)
    message = dns.message.from_wire(octets, one_rr_per_rrset=True)
    match change:
        case "id":
            message.id = 8
        case "question":
            message.flags &= ~dns.flags.QR
        case "opcode":
            message.set_opcode(dns.opcode.NOTIFY)
        case "no question section":
            message.question.clear()
        case "another name":
            message.question[0].name = dns.name.from_text("another.example")
        case "another type":
            message.question[0].rdtype = dns.rdatatype.IXFR
        case "truncated":
            message.flags |= dns.flags.TC
        case "class":
            message.answer[1].rdclass = dns.rdataclass.CH
        case "authority":
            message.authority.append(message.answer[1])
        case "additional":
            message.additional.append(message.answer[1])
        case "empty":
            message.answer.clear()
    return reader, message.to_wire()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("id", "another question"),
        ("question", "another question"),
        ("opcode", "another question"),
        ("no question section", "another question"),
        ("another name", "another question"),
        ("another type", "another question"),
        ("truncated", "no message of a transfer"),
        ("class", "another class"),
        ("authority", "no message of a transfer"),
        ("additional", "behind the answers"),
        ("empty", "no message of a transfer"),
    ],
)
def test_an_answer_that_is_none_of_ours_is_refused(change: str, words: str) -> None:
    with pytest.raises(TransferError, match=words):
        reader, octets = changed_answer(change)
        reader.feed(octets, NOW)


def test_later_messages_may_go_without_a_question_section() -> None:
    reader, [first, second] = served([soa(5), *MIXED, soa(5)], [4], key=None)
    message = dns.message.from_wire(second, one_rr_per_rrset=True)
    message.question.clear()
    message.use_edns(0)
    events = read_all(reader, [first, message.to_wire(want_shuffle=False)])
    assert applied({}, events) == canonical([soa(5), *MIXED])


def test_a_refusal_is_told_with_its_code() -> None:
    question, reader = question_and_reader(wire.AXFR)
    with pytest.raises(TransferError, match="the server says REFUSED") as caught:
        reader.feed(refuse(question, dns.rcode.REFUSED, NOW), NOW)
    assert caught.value.rcode == dns.rcode.REFUSED


def test_more_than_was_agreed_on_is_refused() -> None:
    owned = [soa(5), *MIXED, soa(5)]
    read_all(*served(owned, [3], max_records=len(owned)))
    with pytest.raises(TransferError, match="longer than we take"):
        read_all(*served(owned, [3], max_records=len(owned) - 1))


def raw_answer(*records: bytes) -> bytes:
    """An answer whose records are given with their owners, as they are."""
    head = wire.HEADER.pack(7, wire.RESPONSE, 1, 1 + len(records), 0, 0)
    section = ZONE + wire.AXFR.to_bytes(2) + b"\0\1"
    return head + section + wire.POINTER_TO_QUESTION + soa_of(5) + b"".join(records)


def test_pointers_that_lead_forwards_or_around_are_refused() -> None:
    end = len(raw_answer())
    for target in (end, end + 5, 0, 11):
        reader, _ = served([soa(5), soa(5)], [], key=None)
        for owner in (b"", b"\1a"):
            pointer = (0xC000 | target).to_bytes(2)
            with pytest.raises(TransferError, match="backwards"):
                reader.feed(raw_answer(owner + pointer + record(1, 60, bytes(4))), NOW)


@pytest.mark.parametrize(
    ("kind", "rdata", "words"),
    [
        (0, b"", "type 0"),
        (7, b"\xc0\x0c", "type 7"),
        (41, b"", "type 41"),
        (250, b"", "type 250"),
        (47, b"\xc0\x0c\0\1@", "compressed name"),
        (47, b"\1a", "type NSEC"),
        (15, b"\0\1", "type 15"),
        (15, b"\0\1\0\0", "type 15"),
        (46, bytes(10), "type 46"),
    ],
)
def test_records_that_no_zone_has_are_refused(kind: int, rdata: bytes, words: str) -> None:
    reader, _ = served([soa(5), soa(5)], [], key=None)
    with pytest.raises(TransferError, match=words):
        reader.feed(raw_answer(b"\1a\xc0\x0c" + record(kind, 60, rdata)), NOW)


def test_a_stream_that_is_cut_off_is_not_done() -> None:
    reader, messages = served([soa(5), *MIXED, soa(5)], [4, 4])
    events = read_all(reader, messages[:-1])
    assert not reader.is_done
    assert not any(isinstance(event, End) for event in events)


def test_a_stream_whose_last_message_is_not_signed_does_not_end() -> None:
    question, reader = question_and_reader(wire.AXFR)
    # Long enough for two messages.
    filler = [(key_of([b"h%d" % number]), record(1, 60, bytes(4))) for number in range(1000)]
    records = [(APEX, soa_of(5)), *filler, (APEX, soa_of(5))]
    first, second = answer_records(question, records, lambda: NOW)
    assert reader.feed(first, NOW)
    bare = second[: second.rindex(b"\x09replica-1")]
    with pytest.raises(TsigError, match="without a signature"):
        reader.feed(bare[:10] + b"\0\0" + bare[12:], NOW)


@settings(max_examples=300, deadline=None)
@given(any_nodes, st.data())
def test_one_octet_changed_in_a_signed_transfer_is_noticed(
    nodes: dict[bytes, bytes], data: st.DataObject
) -> None:
    nodes = {**nodes, APEX: apex_of(5)}
    question, reader = question_and_reader(wire.AXFR)
    stream = list(answer_records(question, whole_zone(soa_of(5), nodes.items()), lambda: NOW))
    which = data.draw(st.integers(0, len(stream) - 1))
    at = data.draw(st.integers(0, len(stream[which]) - 1))
    by = data.draw(st.integers(1, 255))
    changed = bytearray(stream[which])
    changed[at] ^= by
    stream[which] = bytes(changed)
    try:
        events = read_all(reader, stream)
    except (TransferError, TsigError):
        return
    # Only the case of the names in the signature's record is free (RFC 8945 §4.3.3).
    assert by == 0x20
    assert applied({}, events) == records_of(nodes)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([wire.AXFR, wire.IXFR]), st.data())
def test_any_change_of_an_unsigned_transfer_is_read_or_a_documented_error(
    kind: int, data: st.DataObject
) -> None:
    serial = 4 if kind == wire.IXFR else None
    reader, [octets] = served([soa(5), *MIXED, soa(5)], [], kind=kind, serial=serial, key=None)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(octets)))
        until = data.draw(st.integers(at, min(at + 4, len(octets))))
        octets = octets[:at] + data.draw(st.binary(max_size=6)) + octets[until:]
    try:
        events = reader.feed(octets, NOW)
    except TransferError as error:
        assert str(error)
        return
    for event in events:
        for key, one in event.records if isinstance(event, Add | Remove) else []:
            assert key.startswith(APEX)
            assert len(one) == 10 + int.from_bytes(one[8:10])


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_octets_are_a_documented_error(octets: bytes) -> None:
    reader, _ = served([soa(5), soa(5)], [], key=None)
    header = wire.HEADER.pack(7, wire.RESPONSE, 0, 1, 0, 0)
    for message in (octets, header + octets):
        with pytest.raises(TransferError):
            reader.feed(message, NOW)
