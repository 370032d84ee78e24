"""Reads the questions that a server gets: who asks, for what, and what is wrong with it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

from dns.rcode import Rcode

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import EXPIRE, Question, answer_head, refuse
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.signature import (
    Fault,
    TsigError,
    find_signature,
    read_signature,
    unsigned_error,
)
from countersign.registry.transfer.tsig import Signer, Verifier

__all__ = ["BadQuestionError", "Question", "read_question"]

MAX_QUESTION = 4096
"""Octets. An IXFR question with the longest names and signature has about 1,200."""
MAX_RECORDS = 16
_OPTION = struct.Struct("!HH")
_SERIAL_FROM_END = 20

Keys = Callable[[str], TsigKey | None]
"""Finds a key by its name: lower case, without the final dot."""


class BadQuestionError(Exception):
    """A question that is not to be answered with data."""

    def __init__(self, reason: str, rcode: Rcode, answer: bytes | None) -> None:
        super().__init__(reason)
        self.rcode = rcode
        self.answer = answer
        """What to send instead. None: nothing, for it was no question at all."""


def read_question(message: bytes, keys: Keys, now: float, *, needs_key: bool = True) -> Question:
    """Return what is asked, and by which key.

    needs_key: refuse what is not signed. now: Unix seconds. Raises :class:`BadQuestionError`.
    """
    try:
        header = wire.read_header(message)
    except wire.MessageError as error:
        raise BadQuestionError(str(error), Rcode.FORMERR, None) from None
    if header.flags & wire.RESPONSE:
        raise BadQuestionError("an answer, not a question", Rcode.FORMERR, None)
    bare = Question(
        header.id,
        header.opcode,
        b"",
        0,
        recursion_desired=bool(header.flags & wire.RECURSION_DESIRED),
    )
    try:
        question, records = _taken_apart(message, header, bare)
        signature = find_signature(message)
    except wire.MessageError as error:
        answer = refuse(bare, Rcode.FORMERR, now)
        raise BadQuestionError(str(error), Rcode.FORMERR, answer) from None
    if signature is not None:
        question = _proven(message, signature, question, keys=keys, now=now)
    elif needs_key:
        raise _bad("a question without a signature", question, Rcode.REFUSED, now)
    return _understood(message, question, header, records, now)


def _taken_apart(
    message: bytes, header: wire.Header, bare: Question
) -> tuple[Question, list[wire.Found]]:
    count = header.answers + header.authority + header.additional
    if len(message) > MAX_QUESTION or header.questions != 1 or count > MAX_RECORDS:
        raise wire.MessageError("no question, several, or too much beside it")
    asked = wire.read_asked(message)
    question = replace(
        bare,
        name=asked.name,
        kind=asked.kind,
        section=message[wire.HEADER_SIZE : asked.end],
    )
    return question, list(wire.read_records(message, header, asked.end))


def _proven(
    message: bytes, signature: wire.Found, question: Question, *, keys: Keys, now: float
) -> Question:
    """Return the question with its key (RFC 8945 §5.2)."""
    try:
        data = read_signature(message, signature.data, signature.end)
    except TsigError as error:
        raise _bad(str(error), question, Rcode.FORMERR, now) from None
    key = keys(wire.name_text(signature.name))
    verifier = Verifier(key)
    fault = Fault.BADKEY if key is None else _fault(verifier, message, now)
    if fault is None:
        return replace(question, key=key, mac=verifier.mac)
    if fault is Fault.MALFORMED:
        raise _bad("a malformed signature", question, Rcode.FORMERR, now)
    head = answer_head(question, rcode=Rcode.NOTAUTH)
    if key is not None and fault is Fault.BADTIME:
        answer = Signer(key, verifier.mac).sign_bad_time(head, data.time_signed, now)
    else:
        answer = unsigned_error(head, signature, data, fault, now=now)
    raise BadQuestionError(str(TsigError(fault)), Rcode.NOTAUTH, answer)


def _fault(verifier: Verifier, message: bytes, now: float) -> Fault | None:
    try:
        verifier.verify(message, now)
    except TsigError as error:
        return Fault.MALFORMED if error.by_peer else error.error
    return None


def _understood(
    message: bytes,
    question: Question,
    header: wire.Header,
    records: list[wire.Found],
    now: float,
) -> Question:
    if question.opcode not in (wire.QUERY, wire.NOTIFY):
        raise _bad("an opcode that we do not know", question, Rcode.NOTIMP, now)
    try:
        question, version = _with_edns(message, question, records)
        if version:
            raise _bad("a version of EDNS that we do not know", question, Rcode.BADVERS, now)
        question = _with_serial(message, question, header, records)
    except wire.MessageError as error:
        raise _bad(str(error), question, Rcode.FORMERR, now) from None
    if wire.read_asked(message).rdclass != wire.IN:
        raise _bad("a class other than IN", question, Rcode.REFUSED, now)
    return question


def _with_edns(
    message: bytes, question: Question, records: list[wire.Found]
) -> tuple[Question, int]:
    """Return the question with what its OPT record says, and the version of that."""
    found = [record for record in records if record.kind == wire.OPT]
    if not found:
        return question, 0
    if len(found) > 1 or found[0].section != wire.ADDITIONAL or found[0].name != b"\0":
        raise wire.MessageError("a misplaced OPT record")
    opt = found[0]
    options = read_options(message, opt.data, opt.end)
    question = replace(
        question,
        edns_size=opt.rdclass,
        asks_expire=EXPIRE in options,
        dnssec_ok=bool(opt.ttl & 0x8000),
    )
    return question, opt.ttl >> 16 & 0xFF


def read_options(message: bytes, at: int, end: int) -> dict[int, bytes]:
    """Return the options of an OPT record by their codes. Raises :class:`wire.MessageError`."""
    options = {}
    while at < end:
        if at + _OPTION.size > end:
            raise wire.MessageError("an EDNS option that is cut off")
        code, length = _OPTION.unpack_from(message, at)
        at += _OPTION.size
        if at + length > end:
            raise wire.MessageError("an EDNS option that is cut off")
        options[code] = message[at : at + length]
        at += length
    return options


def _with_serial(
    message: bytes, question: Question, header: wire.Header, records: list[wire.Found]
) -> Question:
    """Return the question with the serial that is in it: RFC 1995 §3, RFC 1996 §3.7."""
    if question.opcode == wire.NOTIFY:
        section, needed = wire.ANSWER, False
    else:
        section, needed = wire.AUTHORITY, question.kind == wire.IXFR
    found = [
        record
        for record in records
        if record.kind == wire.SOA
        and record.section == section
        and record.name == question.name
        and record.rdclass == wire.IN
    ]
    if len(found) > 1 or (needed and not found):
        raise wire.MessageError("not the one SOA record that belongs there")
    if not found:
        return question
    soa = wire.canonical_rdata(message, wire.SOA, found[0].data, found[0].end)
    return replace(question, serial=int.from_bytes(soa[-20:-16], "big"))


def _bad(reason: str, question: Question, rcode: Rcode, now: float) -> BadQuestionError:
    return BadQuestionError(reason, rcode, refuse(question, rcode, now))
