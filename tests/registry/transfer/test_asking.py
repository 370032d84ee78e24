"""Single questions and NOTIFY from the asker's side; dnspython is the server."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import acknowledge, refuse, soa_answer
from countersign.registry.transfer.asking import (
    SoaAnswer,
    TransferError,
    make_notify,
    make_question,
    read_acknowledgement,
    read_published_serial,
    read_soa_answer,
)
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import read_question
from countersign.registry.transfer.signature import Fault, TsigError
from countersign.registry.transfer.tsig import Verifier
from countersign.registry.zone.records import TXT
from tests.registry.transfer.zones import EXPIRE, KEY, KEYS, NOW, ZONE, soa_of

pytestmark = pytest.mark.usefixtures("foreign_clock")

SOA_TEXT = "NS.Example.ORG. host\\.master.example.org. 42 1 2 3 4"


def ask(kind: int = wire.SOA, serial: int | None = None) -> tuple[bytes, Verifier]:
    return make_question(kind, ZONE, serial, KEY, message_id=7, now=NOW)


def foreign(question: bytes) -> tuple[dns.message.Message, dns.message.Message]:
    query = dns.message.from_wire(question, KEY.for_dns())
    return query, dns.message.make_response(query)


def with_soa(response: dns.message.Message, name: str = "LIST.example.") -> bytes:
    response.answer.append(dns.rrset.from_text(name, 60, "IN", "SOA", SOA_TEXT))
    return response.to_wire()


@pytest.mark.parametrize("kind", [wire.SOA, wire.AXFR, wire.IXFR])
def test_dnspython_understands_our_question(kind: int) -> None:
    question, _ = ask(kind, 41 if kind == wire.IXFR else None)
    query, _ = foreign(question)
    assert query.had_tsig
    assert query.question[0].to_text() == f"list.example. IN {dns.rdatatype.to_text(kind)}"
    assert [rrset[0].serial for rrset in query.authority] == ([41] if kind == wire.IXFR else [])
    assert query.edns == 0
    assert [option.otype for option in query.options] == [dns.edns.OptionType(9)]


def test_the_answer_of_dnspython_is_understood() -> None:
    question, verifier = ask()
    _, response = foreign(question)
    response.use_edns(options=[dns.edns.GenericOption(dns.edns.OptionType(9), b"\0\0\1\0")])
    answer = read_soa_answer(question, with_soa(response), verifier, NOW)
    assert answer == SoaAnswer(answer.soa, 42, 1, 2, 3, 4, left=256)
    assert b"\2ns\7example\3org\0" in answer.soa


def test_our_own_answer_is_understood() -> None:
    message, verifier = ask()
    question = read_question(message, KEYS.get, NOW)
    answer = read_soa_answer(message, soa_answer(question, soa_of(42), NOW), verifier, NOW)
    assert (answer.soa, answer.serial, answer.left) == (soa_of(42), 42, EXPIRE)


@pytest.mark.parametrize(
    "texts", [['"v=countersign1; serial=42"'], ['"x"', '"v=countersign1; " "serial=42"']]
)
def test_the_registrars_serial_is_read_from_the_apexs_text(texts: list[str]) -> None:
    question, verifier = ask(TXT)
    _, response = foreign(question)
    response.answer.append(dns.rrset.from_text("LIST.example.", 60, "IN", "TXT", *texts))
    assert read_published_serial(question, response.to_wire(), verifier, NOW) == 42


def test_an_apex_that_says_no_serial_is_no_answer() -> None:
    question, verifier = ask(TXT)
    _, response = foreign(question)
    response.answer.append(dns.rrset.from_text("list.example.", 60, "IN", "TXT", '"other"'))
    with pytest.raises(TransferError):
        read_published_serial(question, response.to_wire(), verifier, NOW)


@pytest.mark.parametrize("kind", [wire.IXFR, wire.AXFR])
def test_an_answer_to_another_question_is_none(kind: int) -> None:
    question, verifier = ask()
    other, _ = make_question(kind, ZONE, 1, KEY, message_id=7, now=NOW)
    _, response = foreign(question)
    response.question = foreign(other)[0].question
    with pytest.raises(TransferError, match="another question"):
        read_soa_answer(question, with_soa(response), verifier, NOW)


def test_another_id_a_question_a_truncated_answer_and_one_without_soa_are_none() -> None:
    question, verifier = ask()
    with pytest.raises(TransferError, match="another question"):
        read_soa_answer(question, question, verifier, NOW)
    _, response = foreign(question)
    octets = with_soa(response)
    with pytest.raises(TransferError, match="another question"):
        read_soa_answer(question, b"\1\1" + octets[2:], verifier, NOW)
    for name, flags, words in (
        ("another.example.", 0, "without the zone's SOA"),
        ("list.example.", dns.flags.TC, "truncated"),
    ):
        question, verifier = ask()
        _, response = foreign(question)
        response.flags |= flags
        with pytest.raises(TransferError, match=words):
            read_soa_answer(question, with_soa(response, name), verifier, NOW)


def test_a_refusal_is_told_signed_or_not() -> None:
    message, verifier = ask()
    question = read_question(message, KEYS.get, NOW)
    with pytest.raises(TransferError, match="the server says REFUSED") as caught:
        read_soa_answer(message, refuse(question, dns.rcode.REFUSED, NOW), verifier, NOW)
    assert caught.value.rcode == dns.rcode.REFUSED
    bare = dns.message.make_response(dns.message.from_wire(message, keyring=False))
    bare.set_rcode(dns.rcode.NOTIMP)
    bare.tsig = None
    with pytest.raises(TransferError, match="the server says NOTIMP"):
        read_soa_answer(message, bare.to_wire(), ask()[1], NOW)


def test_an_answer_without_or_with_another_signature_is_not_believed() -> None:
    question, _ = ask()
    _, response = foreign(question)
    octets = with_soa(response)
    response.tsig = None
    for other, error in ((response.to_wire(), Fault.MISSING), (octets, Fault.BADSIG)):
        # Another question's signature is in the second's digest.
        _, verifier = make_question(wire.SOA, ZONE, None, KEY, message_id=8, now=NOW)
        with pytest.raises(TsigError) as caught:
            read_soa_answer(question, other, verifier, NOW)
        assert caught.value.error is error


def test_what_the_server_does_not_like_about_our_signature_is_told() -> None:
    late, verifier = make_question(wire.SOA, ZONE, None, KEY, message_id=7, now=NOW - 1000)
    unknown = TsigKey("unknown.example", KEY.algorithm, KEY.secret)
    stranger, other = make_question(wire.SOA, ZONE, None, unknown, message_id=7, now=NOW)
    for question, checks, error in (
        (late, verifier, Fault.BADTIME),
        (stranger, other, Fault.BADKEY),
    ):
        with pytest.raises(Exception) as bad:
            read_question(question, KEYS.get, NOW)
        answer = getattr(bad.value, "answer", b"")
        with pytest.raises(TsigError) as caught:
            read_soa_answer(question, answer, checks, NOW)
        assert caught.value.error is error
        assert caught.value.by_peer


def test_a_notify_is_one_for_dnspython_and_for_us() -> None:
    message, verifier = make_notify(ZONE, soa_of(42), KEY, message_id=7, now=NOW)
    query, response = foreign(message)
    assert query.opcode() == dns.opcode.NOTIFY
    assert query.answer[0][0].serial == 42
    read_acknowledgement(message, response.to_wire(), verifier, NOW)
    question = read_question(message, KEYS.get, NOW)
    assert question.serial == 42
    for answer in (acknowledge(question, NOW), refuse(question, dns.rcode.NOTAUTH, NOW)):
        _, verifier = make_notify(ZONE, soa_of(42), KEY, message_id=7, now=NOW)
        if wire.read_header(answer).rcode:
            with pytest.raises(TransferError, match="NOTAUTH"):
                read_acknowledgement(message, answer, verifier, NOW)
        else:
            read_acknowledgement(message, answer, verifier, NOW)


@settings(deadline=None)
@given(st.data())
def test_any_change_of_an_answer_without_signature_is_read_or_a_documented_error(
    data: st.DataObject,
) -> None:
    question, verifier = make_question(wire.SOA, ZONE, None, None, message_id=7, now=NOW)
    response = dns.message.make_response(dns.message.from_wire(question))
    octets = with_soa(response)
    at = data.draw(st.integers(0, len(octets)))
    until = data.draw(st.integers(at, min(at + 4, len(octets))))
    changed = octets[:at] + data.draw(st.binary(max_size=6)) + octets[until:]
    try:
        answer = read_soa_answer(question, changed, verifier, NOW)
        assert answer.soa[-20:-16] == answer.serial.to_bytes(4)
    except TransferError as error:
        assert str(error)
