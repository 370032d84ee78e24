"""DNS messages in wire format, taken apart as far as transfers need it (RFC 1035 §4, RFC 6891)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import dns.exception
import dns.rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

MAX_MESSAGE = 65_535
"""Octets of a message over TCP (RFC 1035 §4.2.2)."""
MIN_UDP_SIZE = 512
HEADER = struct.Struct("!HHHHHH")
HEADER_SIZE = HEADER.size
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_DESIRED = 0x8000, 0x0400, 0x0200, 0x0100
QUERY, NOTIFY = 0, 4
"""Opcodes."""
SOA, OPT, TSIG, IXFR, AXFR = 6, 41, 250, 251, 252
IN = 1
ANSWER, AUTHORITY, ADDITIONAL = 0, 1, 2
"""Sections."""
POINTER_TO_QUESTION = b"\xc0\x0c"
"""The name that the question section begins with, in the compressed form."""
_MAX_NAME = 255
_MAX_POINTERS = 127
"""In one name, which has no more labels than that: chains of them cost time only."""
_RECORD_HEAD = struct.Struct("!HHIH")
_TWO = struct.Struct("!HH")


class MessageError(ValueError):
    """Octets that are no DNS message."""


class Header(NamedTuple):
    """The first twelve octets."""

    id: int
    flags: int
    """With the opcode and the rcode in it."""
    questions: int
    answers: int
    authority: int
    additional: int

    @property
    def opcode(self) -> int:
        """What kind of message it is."""
        return self.flags >> 11 & 15

    @property
    def rcode(self) -> int:
        """How a question was answered, without the extension that an OPT record has."""
        return self.flags & 15


class Asked(NamedTuple):
    """The question section."""

    name: bytes
    """Wire format, whole, lower case."""
    kind: int
    """Number of the type of record."""
    rdclass: int
    end: int
    """Where the section ends in the message."""


class Found(NamedTuple):
    """A record in a message. ``start``, ``data`` and ``end`` are places in the message."""

    section: int
    name: bytes
    """Wire format, whole, lower case."""
    kind: int
    rdclass: int
    ttl: int
    start: int
    data: int
    end: int


def read_header(message: bytes) -> Header:
    """Return the header. Raises :class:`MessageError`."""
    if len(message) < HEADER_SIZE:
        raise MessageError("a message that is too short")
    return Header(*HEADER.unpack_from(message))


def read_name(message: bytes, at: int) -> tuple[bytes, int]:
    """Return a name, whole and in lower case, and where it ends.

    Pointers may only lead backwards, so there can be no loop. Raises :class:`MessageError`.
    """
    parts, size, end, before, pointers = [], 1, -1, at, 0
    while length := _octet(message, at):
        if length >= 0xC0:
            pointers += 1
            if pointers > _MAX_POINTERS:
                raise MessageError("a compressed name with too many pointers")
            end = at + 2 if end < 0 else end
            at = (length & 0x3F) << 8 | _octet(message, at + 1)
            if at >= before or at < HEADER_SIZE:
                raise MessageError("a compressed name that does not point backwards")
            before = at
            continue
        if length >= 0x40:
            raise MessageError("a label of an unknown kind")
        parts.append(message[at : at + 1 + length])
        size += 1 + length
        if size > _MAX_NAME:
            raise MessageError("a name that is too long")
        at += 1 + length
    parts.append(b"\0")
    return b"".join(parts).lower(), at + 1 if end < 0 else end


def read_asked(message: bytes) -> Asked:
    """Return the question section of a message that has one question.

    Raises :class:`MessageError`.
    """
    name, at = read_name(message, HEADER_SIZE)
    if at + _TWO.size > len(message):
        raise MessageError("a question that is cut off")
    kind, rdclass = _TWO.unpack_from(message, at)
    return Asked(name, kind, rdclass, at + _TWO.size)


def read_records(message: bytes, header: Header, at: int) -> Iterator[Found]:
    """Give all records after the question section; there must be nothing behind them.

    Raises :class:`MessageError`.
    """
    counts = (header.answers, header.authority, header.additional)
    for section, count in enumerate(counts):
        for _ in range(count):
            name, head = read_name(message, at)
            data = head + _RECORD_HEAD.size
            if data > len(message):
                raise MessageError("a record that is cut off")
            kind, rdclass, ttl, length = _RECORD_HEAD.unpack_from(message, head)
            if data + length > len(message):
                raise MessageError("a record that is cut off")
            yield Found(section, name, kind, rdclass, ttl, at, data, data + length)
            at = data + length
    if at != len(message):
        raise MessageError("something behind the last record")


def canonical_rdata(message: bytes, kind: int, at: int, end: int) -> bytes:
    """Return the RDATA of a class IN record with its names whole and in lower case.

    Raises :class:`MessageError`.
    """
    try:
        rdata = dns.rdata.from_wire(RdataClass.IN, RdataType.make(kind), message, at, end - at)
        return rdata.to_digestable()
    except dns.exception.DNSException:
        raise MessageError(f"a malformed record of type {kind}") from None


def name_text(name: bytes) -> str:
    """Return a name of letters, digits, hyphens and underscores without its final dot."""
    labels, at = [], 0
    while at < len(name) and name[at]:
        labels.append(name[at + 1 : at + 1 + name[at]].decode("latin-1"))
        at += 1 + name[at]
    return ".".join(labels)


def with_record(message: bytes, record: bytes) -> bytes:
    """Return a message with one more record at its end, counted in the additional section."""
    count = int.from_bytes(message[10:12], "big") + 1
    return b"".join((message[:10], count.to_bytes(2, "big"), message[12:], record))


def without_last(message: bytes, start: int) -> bytes:
    """Return a message without the last record of its additional section."""
    count = int.from_bytes(message[10:12], "big") - 1
    return b"".join((message[:10], count.to_bytes(2, "big"), message[12:start]))


def _octet(message: bytes, at: int) -> int:
    try:
        return message[at]
    except IndexError:
        raise MessageError("a message that is cut off") from None
