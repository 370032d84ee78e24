"""Messages taken apart."""

from __future__ import annotations

import contextlib

import dns.exception
import dns.message
import dns.name
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from countersign.registry.transfer import wire
from countersign.registry.transfer.wire import MessageError, read_name

octets = st.binary(max_size=80)
pieces = st.one_of(
    st.binary(min_size=1, max_size=8).map(lambda label: bytes((len(label),)) + label),
    st.integers(0, 60).map(lambda at: bytes((0xC0, at))),
    st.just(b"\0"),
)


@settings(deadline=None)
@given(st.lists(pieces, max_size=12).map(b"".join), st.integers(12, 60))
@example(b"\xc0\x0c", 12)
@example(b"\x01a\xc0\x0e\x00", 12)
def test_a_name_is_read_as_dnspython_reads_it_or_refused(rest: bytes, at: int) -> None:
    message = bytes(12) + rest
    try:
        expected, used = dns.name.from_wire(message, at)
    except dns.exception.DNSException:
        with pytest.raises(MessageError):
            read_name(message, at)
        return
    # A name in the header is one that only dnspython takes.
    with contextlib.suppress(MessageError):
        assert read_name(message, at) == (expected.to_digestable(), at + used)
    if b"\xc0" not in rest:
        assert read_name(message, at)[0] == expected.to_digestable()


def test_a_name_of_255_octets_is_taken_and_a_longer_one_is_not() -> None:
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert read_name(longest, 0) == (longest, 255)
    with pytest.raises(MessageError, match="too long"):
        read_name(b"\x01a" + longest, 0)


@settings(deadline=None)
@given(octets)
def test_any_octets_are_records_or_a_clear_error(message: bytes) -> None:
    with contextlib.suppress(MessageError):
        header = wire.read_header(message)
        asked = wire.read_asked(message)
        for found in wire.read_records(message, header, asked.end):
            assert found.start < found.data <= found.end <= len(message)


def test_records_are_found_where_they_are() -> None:
    query = dns.message.make_query("mail.example", "A", use_edns=0)
    response = dns.message.make_response(query)
    response.find_rrset(response.answer, query.question[0].name, 1, 1, create=True).add(
        dns.rdata.from_text("IN", "A", "127.0.0.2"), 60
    )
    message = response.to_wire()
    header = wire.read_header(message)
    found = list(wire.read_records(message, header, wire.read_asked(message).end))
    assert [(one.section, one.kind) for one in found] == [(0, 1), (2, wire.OPT)]
    assert found[0].name == b"\4mail\7example\0"
    assert message[found[0].data : found[0].end] == bytes((127, 0, 0, 2))
    with pytest.raises(MessageError, match="behind the last record"):
        list(wire.read_records(message + b"x", header, wire.read_asked(message).end))


def test_a_chain_of_pointers_is_given_up() -> None:
    chain = b"".join((0xC000 | max(12, at - 2)).to_bytes(2, "big") for at in range(14, 4000, 2))
    message = bytes(12) + b"\0\0" + chain
    assert read_name(message, 14 + 2 * 126)[0] == b"\0"
    with pytest.raises(MessageError, match="too many pointers"):
        read_name(message, 14 + 2 * 127)
