"""Zones as they are sent: dnspython reads them, and so do we."""

from __future__ import annotations

import itertools

import dns.message
import dns.name
import dns.zone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registry.transfer import wire
from countersign.registry.transfer.asking import TransferError
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import read_question
from countersign.registry.transfer.receiving import End, Step, UpToDate, Whole
from countersign.registry.transfer.sending import (
    MESSAGE_SIZE,
    Version,
    answer_records,
    steps,
    whole_zone,
)
from countersign.registry.zone.names import APEX, below
from countersign.registry.zone.records import MAX_RECORD, TXT, make_node, record, text_record
from tests.registry.transfer.zones import (
    EXPIRE,
    KEY,
    KEYS,
    NOW,
    Nodes,
    any_nodes,
    apex_of,
    applied,
    changes_between,
    foreign_inbound,
    foreign_query,
    foreign_records,
    foreign_zone,
    question_and_reader,
    read_all,
    records_of,
    soa_of,
)

pytestmark = pytest.mark.usefixtures("foreign_clock")

some_keys = st.sampled_from([KEY, None])
histories = st.lists(any_nodes, min_size=2, max_size=4)


def clock() -> float:
    return NOW


def with_apex(nodes: Nodes, serial: int) -> Nodes:
    return {**nodes, APEX: apex_of(serial)}


def versions_of(history: list[Nodes]) -> list[Version]:
    """The steps between the zones with serials 1, 2, 3, …"""
    return [
        (soa_of(serial), soa_of(serial + 1), changes_between(before, after))
        for serial, (before, after) in enumerate(itertools.pairwise(history), 1)
    ]


@settings(deadline=None)
@given(any_nodes, some_keys)
def test_dnspython_reads_a_whole_zone_as_it_is(nodes: Nodes, key: TsigKey | None) -> None:
    nodes = with_apex(nodes, 5)
    query = foreign_query("AXFR", key=key)
    question = read_question(query.to_wire(), KEYS.get, NOW, needs_key=False)
    messages = list(answer_records(question, whole_zone(soa_of(5), nodes.items()), clock))
    zone = dns.zone.Zone("list.example.", relativize=False)
    assert foreign_inbound(query, messages, zone)
    assert foreign_records(zone) == records_of(nodes)


@settings(max_examples=40, deadline=None)
@given(histories, some_keys)
def test_dnspython_follows_the_steps(zones: list[Nodes], key: TsigKey | None) -> None:
    history = [with_apex(nodes, serial) for serial, nodes in enumerate(zones, 1)]
    query = foreign_query("IXFR", 1, key=key)
    question = read_question(query.to_wire(), KEYS.get, NOW, needs_key=False)
    records = steps(soa_of(len(history)), versions_of(history))
    zone = foreign_zone(history[0])
    assert foreign_inbound(query, answer_records(question, records, clock), zone)
    assert foreign_records(zone) == records_of(history[-1])


@settings(deadline=None)
@given(any_nodes, some_keys, st.sampled_from([wire.AXFR, wire.IXFR]))
def test_we_read_a_whole_zone_as_it_is(nodes: Nodes, key: TsigKey | None, kind: int) -> None:
    nodes = with_apex(nodes, 5)
    question, reader = question_and_reader(kind, 1 if kind == wire.IXFR else None, key)
    stream = answer_records(question, whole_zone(soa_of(5), nodes.items()), clock)
    events = read_all(reader, stream)
    assert reader.is_done
    assert (events[0], events[-1]) == (Whole(5), End(5))
    assert applied({}, events) == records_of(nodes)


@settings(max_examples=40, deadline=None)
@given(histories, some_keys)
def test_we_follow_the_steps(zones: list[Nodes], key: TsigKey | None) -> None:
    history = [with_apex(nodes, serial) for serial, nodes in enumerate(zones, 1)]
    question, reader = question_and_reader(wire.IXFR, 1, key)
    stream = answer_records(question, steps(soa_of(len(history)), versions_of(history)), clock)
    events = read_all(reader, stream)
    assert applied(history[0], events) == records_of(history[-1])
    told = [event for event in events if isinstance(event, Step)]
    assert told == [Step(serial, serial + 1) for serial in range(1, len(history))]


def many(count: int) -> Nodes:
    node = make_node([record(1, 60, bytes((127, 0, 0, 2))), text_record(60, "v=countersign1")])
    nodes = {below(APEX, b"example", b"h%d" % number): node for number in range(count)}
    return with_apex(nodes, 5)


def test_a_long_zone_comes_in_many_messages_which_dnspython_puts_together() -> None:
    nodes = many(3000)
    query = foreign_query("AXFR")
    question = read_question(query.to_wire(), KEYS.get, NOW)
    messages = list(answer_records(question, whole_zone(soa_of(5), nodes.items()), clock))
    assert len(messages) > 5
    assert all(len(message) < MESSAGE_SIZE + 200 for message in messages)
    zone = dns.zone.Zone("list.example.", relativize=False)
    assert foreign_inbound(query, messages, zone)
    assert foreign_records(zone) == records_of(nodes)


def test_messages_are_made_one_by_one_as_they_are_taken() -> None:
    taken = itertools.count()
    endless = ((below(APEX, b"h%d" % next(taken)), text_record(60, "t")) for _ in itertools.count())
    question, _ = question_and_reader(wire.AXFR)
    stream = answer_records(question, itertools.chain([(APEX, soa_of(5))], endless), clock)
    for _ in range(3):
        before = next(taken)
        assert len(next(stream)) <= MESSAGE_SIZE + 200
        assert next(taken) - before < MESSAGE_SIZE // 10


def test_each_message_is_signed_at_its_own_time() -> None:
    ours, theirs = itertools.count(int(NOW), 200), itertools.count(int(NOW), 200)
    question, reader = question_and_reader(wire.AXFR)
    nodes = many(1200)
    stream = answer_records(question, whole_zone(soa_of(5), nodes.items()), lambda: next(ours))
    events = [event for message in stream for event in reader.feed(message, next(theirs))]
    assert applied({}, events) == records_of(nodes)
    assert next(theirs) > NOW + 300


def test_a_record_as_long_as_a_zone_may_have_fits_and_a_longer_one_does_not() -> None:
    nodes = with_apex({below(APEX, b"a" * 60): record(TXT, 60, b"\xff" * MAX_RECORD)}, 5)
    question, reader = question_and_reader(wire.AXFR)
    stream = answer_records(question, whole_zone(soa_of(5), nodes.items()), clock)
    assert applied({}, read_all(reader, stream)) == records_of(nodes)
    one = b"\0\x10\0\1\0\0\0\0\xff\xff" + bytes(0xFFFF)
    with pytest.raises(ValueError, match="too long"):
        list(answer_records(question, [(APEX, one)], clock))


@pytest.mark.parametrize("asks", [True, False])
def test_the_time_to_expire_is_told_once_to_who_asks(asks: bool) -> None:
    query = foreign_query("AXFR")
    option = dns.edns.GenericOption(dns.edns.OptionType(9), b"")
    query.use_edns(options=[option] if asks else [])
    question = read_question(query.to_wire(), KEYS.get, NOW)
    stream = list(answer_records(question, whole_zone(soa_of(5), many(1200).items()), clock))
    read = [dns.message.from_wire(octets, keyring=False) for octets in stream]
    assert [one.edns for one in read] == [0] + [-1] * (len(read) - 1)
    [options, *_] = [one.options for one in read]
    assert [one.to_wire() for one in options] == ([EXPIRE.to_bytes(4)] if asks else [])


def test_who_is_up_to_date_gets_the_newest_soa_alone() -> None:
    for serial in (5, 6):
        question, reader = question_and_reader(wire.IXFR, serial)
        stream = answer_records(question, [(APEX, soa_of(5))], clock)
        assert read_all(reader, stream) == [UpToDate(5)]
        assert reader.is_done


def test_owners_point_to_the_question_and_to_one_another() -> None:
    question, _ = question_and_reader(wire.AXFR, key=None)
    nodes = {below(APEX, b"mail"): make_node([text_record(60, "a"), text_record(60, "b")])}
    [message] = answer_records(question, whole_zone(soa_of(5), nodes.items()), clock)
    at = message.index(b"\4mail\xc0\x0c")
    assert message.count(b"\4mail") == 1
    assert message.count(bytes((0xC0, at))) == 1
    assert b"\x04list" not in message[len(question.section) + 12 :]
    assert dns.name.from_wire(message, at)[0] == dns.name.from_text("mail.list.example")


def test_a_stream_that_lacks_its_first_message_is_refused() -> None:
    question, reader = question_and_reader(wire.AXFR, key=None)
    stream = list(answer_records(question, whole_zone(soa_of(5), many(1200).items()), clock))
    with pytest.raises(TransferError, match="does not begin with a SOA"):
        reader.feed(stream[1], NOW)
