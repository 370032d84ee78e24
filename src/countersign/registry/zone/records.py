"""Records in wire format. All records of one owner name are a *node*.

A record is TYPE, CLASS, TTL, RDLENGTH and RDATA (RFC 1035 §3.2.1), all without the owner name;
names in RDATA are whole and lower case (RFC 4034 §6.2). A node is its records one after the
other in canonical order: by type, then by RDATA (RFC 4034 §6.3, RFC 8976 §3.3.1). An empty node
is no node. So a node can be sent, hashed and compared as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

A, NS, SOA, TXT, AAAA = 1, 2, 6, 16, 28
RRSIG, ZONEMD, DNSKEY = 46, 63, 48
IN = 1
MAX_RECORD = 65_000
"""Octets of one record: it must fit into a message with its owner's name and a signature."""
MAX_NODE = 4 * 1024 * 1024
_HEAD = struct.Struct("!HHIH")
_HEAD_SIZE = _HEAD.size


class RecordError(ValueError):
    """Octets that are no records."""


class Record(NamedTuple):
    """A record, taken apart."""

    kind: int
    """Its type's number."""
    ttl: int
    """Seconds."""
    rdata: bytes


def record(kind: int, ttl: int, rdata: bytes) -> bytes:
    """Return a record of class IN. Raises :class:`RecordError`."""
    if len(rdata) > MAX_RECORD:
        raise RecordError("a record that is too long")
    return _HEAD.pack(kind, IN, ttl, len(rdata)) + rdata


def text_record(ttl: int, text: str) -> bytes:
    """Return a TXT record, its text cut into strings of 255 octets (RFC 1035 §3.3.14)."""
    octets = text.encode("utf-8")
    strings = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    return record(TXT, ttl, b"".join(bytes((len(one),)) + one for one in strings))


def text_of_rdata(rdata: bytes) -> bytes:
    """Return a TXT record's strings, joined."""
    strings, at = [], 0
    while at < len(rdata):
        end = at + 1 + rdata[at]
        strings.append(rdata[at + 1 : end])
        at = end
    return b"".join(strings)


def make_node(records: Iterable[bytes]) -> bytes:
    """Return the node of some records: in order, each once."""
    in_order: list[bytes] = sorted(set(records), key=canonical_order)
    return b"".join(in_order)


def split_node(node: bytes) -> list[bytes]:
    """Return a node's records. Raises :class:`RecordError`."""
    records, at, size = [], 0, len(node)
    while at < size:
        end = at + _HEAD_SIZE
        if end > size:
            raise RecordError("a record that is cut off")
        end += int.from_bytes(node[end - 2 : end], "big")
        if end > size:
            raise RecordError("a record that is cut off")
        records.append(node[at:end])
        at = end
    return records


def read_record(octets: bytes) -> Record:
    """Take a record apart. Raises :class:`RecordError`."""
    if len(octets) < _HEAD_SIZE:
        raise RecordError("a record that is cut off")
    kind, _, ttl, length = _HEAD.unpack_from(octets)
    if len(octets) != _HEAD_SIZE + length:
        raise RecordError("a record of another length than it says")
    return Record(kind, ttl, octets[_HEAD_SIZE:])


def read_node(node: bytes) -> list[Record]:
    """Take all records of a node apart. Raises :class:`RecordError`."""
    return [read_record(octets) for octets in split_node(node)]


def kind_of(octets: bytes) -> int:
    """Return the number of a record's type."""
    return int.from_bytes(octets[:2], "big")


def canonical_order(octets: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what records of one node are sorted by (RFC 4034 §6.3)."""
    # The TTL decides nothing in a zone that is in order; in any other it keeps the result the same.
    return octets[:4], octets[_HEAD_SIZE:], octets[4:8]
