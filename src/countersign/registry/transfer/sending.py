"""Sends a zone, or what has changed in it, as a stream of messages (RFC 5936, RFC 1995)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import (
    Question,
    answer_head,
    edns_record,
    soa_expire,
)
from countersign.registry.transfer.tsig import Signer
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.names import APEX, wire_of
from countersign.registry.zone.records import split_node

MESSAGE_SIZE = 16_000
"""Octets of a message, unless one record needs more: a pointer reaches 16,383 (RFC 1035 §4.1.4)."""
_SOA = b"\0\x06"

OwnedRecord = tuple[bytes, bytes]
"""A key (:mod:`countersign.registry.zone.names`) and a record of that owner."""
Clock = Callable[[], float]
"""Tells Unix seconds."""
Version = tuple[bytes, bytes, Iterable[NodeChange]]
"""A step of a zone: its SOA record before, its SOA record after, and all changes."""


def whole_zone(soa: bytes, nodes: Iterable[tuple[bytes, bytes]]) -> Iterator[OwnedRecord]:
    """Give the records of a whole zone as AXFR has them: the SOA record first and last.

    nodes: all (key, node) in any order, the apex's too.
    """
    yield APEX, soa
    for key, node in nodes:
        if key == APEX:
            for one in split_node(node):
                if one[:2] != _SOA:
                    yield key, one
        else:
            for one in split_node(node):
                yield key, one
    yield APEX, soa


def steps(soa: bytes, versions: Iterable[Version]) -> Iterator[OwnedRecord]:
    """Give the records of an incremental transfer (RFC 1995 §4).

    soa: the newest; versions: each begins where the one before ended, the last with ``soa``.
    """
    yield APEX, soa
    for before, after, changes in versions:
        listed = list(changes)
        yield APEX, before
        for change in listed:
            for one in change.removed:
                if change.key != APEX or one[:2] != _SOA:
                    yield change.key, one
        yield APEX, after
        for change in listed:
            for one in change.added:
                if change.key != APEX or one[:2] != _SOA:
                    yield change.key, one
    yield APEX, soa


def answer_records(
    question: Question, records: Iterable[OwnedRecord], now: Clock
) -> Iterator[bytes]:
    """Give the messages of an answer, each signed when it is taken.

    records: relative to the question's name, which must be the zone's. One message at a time is
    in memory. Raises :class:`ValueError` for a record that fits into no message.
    """
    signer = Signer(question.key, question.mac) if question.key else None
    expire: int | None = None
    for count, body in _bodies(records, wire.HEADER_SIZE + len(question.section)):
        edns = b""
        if expire is None:
            # RFC 7314 §3.2: once, with the SOA record that comes first.
            expire = _first_expire(body)
            edns = edns_record(question, expire=expire)
        head = answer_head(question, answers=count, additional=bool(edns), flags=wire.AUTHORITATIVE)
        message = b"".join((head, body, edns))
        if signer is not None:
            message = signer.sign(message, now())
        if len(message) > wire.MAX_MESSAGE:
            raise ValueError("a record that is too long for a message")
        yield message


def _bodies(records: Iterable[OwnedRecord], start: int) -> Iterator[tuple[int, bytes]]:
    """Give (count of records, answer section). start: where the section begins in the message."""
    parts: list[bytes] = []
    at = start
    last, owner, again = b"", b"", b""
    for key, record in records:
        if key != last:
            owner, last, again = wire_of(key) + wire.POINTER_TO_QUESTION, key, b""
        name = again or owner
        if at + len(name) + len(record) > MESSAGE_SIZE and parts:
            yield len(parts) // 2, b"".join(parts)
            parts.clear()
            at, name, again = start, owner, b""
        if not again:
            # Here it stands for the first time in this message; from now on, point to it.
            again = (0xC000 | at).to_bytes(2) if key != APEX else owner
        parts += (name, record)
        at += len(name) + len(record)
    if parts:
        yield len(parts) // 2, b"".join(parts)


def _first_expire(body: bytes) -> int:
    start = len(wire.POINTER_TO_QUESTION)
    length = int.from_bytes(body[start + 8 : start + 10], "big")
    return soa_expire(body[start : start + 10 + length])
