"""The asker's side of single messages: SOA, AXFR and IXFR questions, NOTIFY, and their answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import dns.rcode
from dns.rcode import Rcode

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import EXPIRE, edns_of_question
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import read_options
from countersign.registry.transfer.signature import Fault, TsigError
from countersign.registry.transfer.tsig import Signer, Verifier
from countersign.registry.zone.content import published_serial
from countersign.registry.zone.records import TXT, text_of_rdata

_NUMBERS = struct.Struct("!5I")


class TransferError(Exception):
    """An answer that is none to our question, or not what the protocol allows, or a refusal."""

    def __init__(self, reason: str, rcode: Rcode | None = None) -> None:
        super().__init__(reason)
        self.rcode = rcode
        """What the server said, if it refused."""


@dataclass(frozen=True, slots=True)
class SoaAnswer:
    """What a server says of its zone. Times are in seconds."""

    soa: bytes
    """The record."""
    serial: int
    refresh: int
    retry: int
    expire: int
    negative_ttl: int
    left: int | None
    """For how long the server's own copy is good (RFC 7314), if it said so."""


def make_question(
    kind: int, zone: bytes, serial: int | None, key: TsigKey | None, *, message_id: int, now: float
) -> tuple[bytes, Verifier]:
    """Return a question, and what checks the signatures of its answer.

    kind: SOA, TXT, AXFR or IXFR; zone: in wire format; serial: what we have, for IXFR;
    message_id: 16 random bits; now: Unix seconds.
    """
    authority = b""
    if kind == wire.IXFR:
        if serial is None:
            raise ValueError("IXFR needs the serial of what is there already")
        data = b"\0\0" + serial.to_bytes(4) + bytes(16)
        head = struct.pack("!HHIH", wire.SOA, wire.IN, 0, len(data))
        authority = wire.POINTER_TO_QUESTION + head + data
    header = wire.HEADER.pack(message_id, wire.QUERY << 11, 1, 0, bool(authority), 1)
    section = zone + kind.to_bytes(2) + wire.IN.to_bytes(2)
    message = header + section + authority + edns_of_question(asks_expire=True)
    return _signed(message, key, now)


def make_notify(
    zone: bytes, soa: bytes, key: TsigKey | None, *, message_id: int, now: float
) -> tuple[bytes, Verifier]:
    """Return a NOTIFY with the zone's SOA record (RFC 1996), and what checks its answer."""
    flags = wire.NOTIFY << 11 | wire.AUTHORITATIVE
    header = wire.HEADER.pack(message_id, flags, 1, 1, 0, 0)
    section = zone + wire.SOA.to_bytes(2) + wire.IN.to_bytes(2)
    return _signed(header + section + wire.POINTER_TO_QUESTION + soa, key, now)


def verified(
    message: bytes, verifier: Verifier, now: float, *, message_id: int, opcode: int = wire.QUERY
) -> tuple[bytes, wire.Header]:
    """Return an answer without its signature, and its header: it is ours, proven, and no refusal.

    Raises :class:`TransferError` and
    :class:`~countersign.registry.transfer.signature.TsigError`.
    """
    try:
        header = wire.read_header(message)
    except wire.MessageError as error:
        raise TransferError(str(error)) from None
    if header.id != message_id or header.opcode != opcode or not header.flags & wire.RESPONSE:
        raise TransferError("an answer to another question")
    try:
        plain = verifier.verify(message, now)
    except TsigError as error:
        if error.error is Fault.MISSING and header.rcode:
            # A refusal is believed from anybody: it can do no more than a lost message.
            raise _refusal(header) from None
        raise
    if header.rcode:
        raise _refusal(header)
    return plain, wire.read_header(plain)


def read_soa_answer(question: bytes, message: bytes, verifier: Verifier, now: float) -> SoaAnswer:
    """Return what the answer to a SOA question says.

    Raises :class:`TransferError` and
    :class:`~countersign.registry.transfer.signature.TsigError`.
    """
    plain, asked, records = _read_answer(question, message, verifier, now)
    found = [
        record
        for record in records
        if (record.section, record.kind, record.rdclass, record.name)
        == (wire.ANSWER, wire.SOA, wire.IN, asked.name)
    ]
    if len(found) != 1:
        raise TransferError("an answer without the zone's SOA record")
    try:
        data = wire.canonical_rdata(plain, wire.SOA, found[0].data, found[0].end)
        left = _time_left(plain, records)
    except wire.MessageError as error:
        raise TransferError(str(error)) from None
    head = struct.pack("!HHIH", wire.SOA, wire.IN, found[0].ttl, len(data))
    serial, refresh, retry, expire, negative_ttl = _NUMBERS.unpack(data[-_NUMBERS.size :])
    return SoaAnswer(head + data, serial, refresh, retry, expire, negative_ttl, left)


def read_published_serial(question: bytes, message: bytes, verifier: Verifier, now: float) -> int:
    """Return the registrar's serial that the answer to a question for the apex's TXT says.

    Raises :class:`TransferError` and
    :class:`~countersign.registry.transfer.signature.TsigError`.
    """
    plain, asked, records = _read_answer(question, message, verifier, now)
    for record in records:
        if (record.section, record.kind, record.name) == (wire.ANSWER, TXT, asked.name):
            text = text_of_rdata(plain[record.data : record.end])
            serial = published_serial(text.decode("utf-8", "replace"))
            if serial is not None:
                return serial
    raise TransferError("an answer that does not say which version it is of")


def read_acknowledgement(question: bytes, message: bytes, verifier: Verifier, now: float) -> None:
    """Check the answer to a NOTIFY.

    Raises :class:`TransferError` and
    :class:`~countersign.registry.transfer.signature.TsigError`.
    """
    _read_answer(question, message, verifier, now)


def _read_answer(
    question: bytes, message: bytes, verifier: Verifier, now: float
) -> tuple[bytes, wire.Asked, list[wire.Found]]:
    sent = wire.read_header(question)
    plain, header = verified(message, verifier, now, message_id=sent.id, opcode=sent.opcode)
    verifier.finish()
    try:
        asked = wire.read_asked(question)
        # RFC 1996 §4.7 does not ask for the question section in the answer to a NOTIFY.
        at = wire.HEADER_SIZE
        if header.questions == 1 or sent.opcode == wire.QUERY:
            answered = wire.read_asked(plain)
            if header.questions != 1 or answered[:3] != asked[:3]:
                raise TransferError("an answer to another question")
            at = answered.end
        if header.flags & wire.TRUNCATED:
            raise TransferError("a truncated answer")
        return plain, asked, list(wire.read_records(plain, header, at))
    except wire.MessageError as error:
        raise TransferError(str(error)) from None


def _refusal(header: wire.Header) -> TransferError:
    rcode = Rcode.make(header.rcode)
    return TransferError(f"the server says {dns.rcode.to_text(rcode)}", rcode)


def _time_left(message: bytes, records: list[wire.Found]) -> int | None:
    for record in records:
        if record.kind == wire.OPT:
            value = read_options(message, record.data, record.end).get(EXPIRE, b"")
            return int.from_bytes(value) if len(value) == 4 else None
    return None


def _signed(message: bytes, key: TsigKey | None, now: float) -> tuple[bytes, Verifier]:
    if key is None:
        return message, Verifier(None)
    signer = Signer(key)
    signed = signer.sign(message, now)
    return signed, Verifier(key, signer.mac)
