"""Questions as a server has read them, and answers of one message (RFC 1035, 6891, 7314)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dns.rcode import Rcode

from countersign.registry.transfer import wire
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.tsig import Signer

OWN_UDP_SIZE = 1232
"""Octets that we take and send over UDP: they go through the Internet in one piece."""
EXPIRE = 9
"""The EDNS option (RFC 7314)."""
_DNSSEC_OK = 0x8000


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is well-formed, and proven if it has a key."""

    id: int
    opcode: int
    """QUERY or NOTIFY."""
    name: bytes
    """Wire format, lower case."""
    kind: int
    """Number of the type: SOA, AXFR, IXFR or any other."""
    serial: int | None = None
    """What the asker has (IXFR), or says that it has (NOTIFY)."""
    edns_size: int | None = None
    """Octets that the asker takes over UDP; None: it knows no EDNS."""
    asks_expire: bool = False
    dnssec_ok: bool = False
    recursion_desired: bool = False
    key: TsigKey | None = None
    mac: bytes = b""
    """Of the signature."""
    section: bytes = b""
    """The question section as it was asked."""

    @property
    def udp_size(self) -> int:
        """How many octets an answer over UDP may have."""
        return max(wire.MIN_UDP_SIZE, min(self.edns_size or 0, OWN_UDP_SIZE))


def answer_head(
    question: Question, *, answers: int = 0, additional: int = 0, flags: int = 0, rcode: int = 0
) -> bytes:
    """Return the header and the question section of an answer."""
    flags |= wire.RESPONSE | question.opcode << 11 | rcode & 15
    flags |= wire.RECURSION_DESIRED if question.recursion_desired else 0
    counts = (1 if question.section else 0, answers, 0, additional)
    return wire.HEADER.pack(question.id, flags, *counts) + question.section


def edns_record(question: Question, *, rcode: int = 0, expire: int | None = None) -> bytes:
    """Return the OPT record of an answer; empty, if the asker knows no EDNS.

    expire: seconds for which the zone is good (RFC 7314 §4), if the asker wants to know.
    """
    if question.edns_size is None:
        return b""
    data = b""
    if question.asks_expire and expire is not None:
        data = b"".join(number.to_bytes(2, "big") for number in (EXPIRE, 4))
        data += expire.to_bytes(4, "big")
    return _opt(OWN_UDP_SIZE, rcode >> 4, data, dnssec_ok=question.dnssec_ok)


def edns_of_question(*, asks_expire: bool) -> bytes:
    """Return the OPT record of a question."""
    option = EXPIRE.to_bytes(2, "big") + b"\0\0"
    return _opt(OWN_UDP_SIZE, 0, option if asks_expire else b"")


def _opt(size: int, extended_rcode: int, data: bytes, *, dnssec_ok: bool = False) -> bytes:
    return b"".join(
        (
            b"\0",
            wire.OPT.to_bytes(2, "big"),
            size.to_bytes(2, "big"),
            bytes((extended_rcode, 0)),
            (_DNSSEC_OK if dnssec_ok else 0).to_bytes(2, "big"),
            len(data).to_bytes(2, "big"),
            data,
        )
    )


def answer(
    question: Question,
    now: float,
    *,
    records: Sequence[bytes] = (),
    rcode: Rcode = Rcode.NOERROR,
    flags: int = wire.AUTHORITATIVE,
    expire: int | None = None,
) -> bytes:
    """Return an answer of one message, signed if the question was.

    records: of the question's own name, without the owner. now: Unix seconds.
    """
    edns = edns_record(question, rcode=rcode, expire=expire)
    head = answer_head(
        question,
        answers=len(records),
        additional=1 if edns else 0,
        flags=flags,
        rcode=rcode,
    )
    body = b"".join(wire.POINTER_TO_QUESTION + one for one in records)
    return _signed(question, head + body + edns, now)


def refuse(question: Question, rcode: Rcode, now: float) -> bytes:
    """Return an answer that says no, and why."""
    return answer(question, now, rcode=rcode, flags=0)


def truncated(question: Question, now: float) -> bytes:
    """Return an answer that says: ask over TCP."""
    return answer(question, now, flags=wire.AUTHORITATIVE | wire.TRUNCATED)


def soa_answer(question: Question, soa: bytes, now: float) -> bytes:
    """Return an answer with the zone's SOA record alone.

    It answers SOA; IXFR, if the asker is up to date; and any IXFR over UDP, where it says: ask
    over TCP (RFC 1995 §2).
    """
    return answer(question, now, records=[soa], expire=soa_expire(soa))


def acknowledge(question: Question, now: float) -> bytes:
    """Return the answer to a NOTIFY (RFC 1996 §4.7)."""
    return answer(question, now)


def fits_udp(question: Question, message: bytes, now: float) -> bytes:
    """Return an answer, or what takes its place over UDP if it is too long."""
    return message if len(message) <= question.udp_size else truncated(question, now)


def soa_serial(soa: bytes) -> int:
    """Return the serial of a SOA record. All its numbers are at its end."""
    return int.from_bytes(soa[-20:-16], "big")


def soa_expire(soa: bytes) -> int:
    """Return the seconds after which a copy without contact to the primary is void."""
    return int.from_bytes(soa[-8:-4], "big")


def _signed(question: Question, message: bytes, now: float) -> bytes:
    if question.key is None:
        return message
    return Signer(question.key, question.mac).sign(message, now)
