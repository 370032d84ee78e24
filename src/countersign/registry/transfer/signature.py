"""The record that a signature is in, and what may be wrong with it (RFC 8945 §4)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import dns.exception
import dns.name
import dns.rdata
from dns.rcode import Rcode
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TSIG import TSIG as TsigData  # noqa: N811

from countersign.registry.transfer import wire

FUDGE = 300
"""Seconds by which two clocks may differ (RFC 8945 §10)."""
RECORD_HEAD = b"\0\xfa\0\xff\0\0\0\0"
"""TYPE, CLASS and TTL of the record."""
_PLACE = (wire.ADDITIONAL, RdataClass.ANY, 0)
# dnspython has no types for it.
_make: Any = TsigData


class Fault(StrEnum):
    """What is wrong with a signature."""

    MISSING = "MISSING"
    MALFORMED = "FORMERR"
    BADKEY = "BADKEY"
    BADSIG = "BADSIG"
    BADTIME = "BADTIME"
    BADTRUNC = "BADTRUNC"


_CODES = {
    Fault.BADKEY: Rcode.BADKEY,
    Fault.BADSIG: Rcode.BADSIG,
    Fault.BADTIME: Rcode.BADTIME,
    Fault.BADTRUNC: Rcode.BADTRUNC,
}
_TEXTS = {
    Fault.MISSING: "a message without a signature",
    Fault.MALFORMED: "a malformed signature",
    Fault.BADKEY: "signed with another key than ours",
    Fault.BADSIG: "the signature does not fit the message",
    Fault.BADTIME: "signed at another time than now: look at the clocks",
    Fault.BADTRUNC: "the signature is shortened too much",
}


_ADVICE = {
    Fault.BADKEY: "; it does not know our key, or not by this name",
    Fault.BADSIG: "; the two secrets differ",
    Fault.BADTIME: "; look at the clocks",
}


class TsigError(Exception):
    """A message is not proven to be its sender's."""

    def __init__(self, error: Fault, *, by_peer: bool = False) -> None:
        theirs = f"the other side says: {error}{_ADVICE.get(error, '')}"
        super().__init__(theirs if by_peer else _TEXTS[error])
        self.error = error
        self.by_peer = by_peer
        """The other side says so of what we sent."""


def find_signature(message: bytes) -> wire.Found | None:
    """Return the signature's record, which must be the last. Raises :class:`wire.MessageError`."""
    header = wire.read_header(message)
    if not header.additional:
        return None
    if header.questions > 1:
        raise wire.MessageError("more than one question")
    at = wire.read_asked(message).end if header.questions else wire.HEADER_SIZE
    found = None
    for record in wire.read_records(message, header, at):
        if found is not None:
            raise wire.MessageError("a record behind the signature")
        if record.kind == wire.TSIG:
            found = record
    if found is not None and (found.section, found.rdclass, found.ttl) != _PLACE:
        raise wire.MessageError("a misplaced signature")
    return found


def read_signature(message: bytes, at: int, end: int) -> TsigData:
    """Return a signature's data. Raises :class:`TsigError`."""
    try:
        data = dns.rdata.from_wire(RdataClass.ANY, RdataType.TSIG, message, at, end - at)
    except dns.exception.DNSException:
        raise TsigError(Fault.MALFORMED) from None
    if not isinstance(data, TsigData):
        raise TsigError(Fault.MALFORMED)
    return data


def unsigned_error(
    answer: bytes, found: wire.Found, data: TsigData, fault: Fault, *, now: float
) -> bytes:
    """Return an answer with the reason why a question's signature says nothing to us.

    It goes unsigned (RFC 8945 §5.3.2). found, data: of the question's signature.
    """
    bare = signature_data(data.algorithm, int(now), int.from_bytes(answer[:2]), _CODES[fault])
    return wire.with_record(answer, signature_record(found.name, bare))


def signature_data(
    algorithm: dns.name.Name, time: int, id_: int, error: Rcode, other: bytes = b""
) -> TsigData:
    """Return a signature's data without the signature itself. time: Unix seconds."""
    data: TsigData = _make(
        RdataClass.ANY, RdataType.TSIG, algorithm, time, FUDGE, b"", id_, error, other
    )
    return data


def signature_record(owner: bytes, data: TsigData) -> bytes:
    """Return the record. owner: the key's name in wire format."""
    octets = data.to_wire()
    if octets is None:
        raise TypeError("a record without data")
    return b"".join((owner, RECORD_HEAD, len(octets).to_bytes(2, "big"), octets))
