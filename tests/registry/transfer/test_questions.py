"""Questions as the server reads them, and what is answered to bad ones."""

from __future__ import annotations

from collections.abc import Callable

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rrset
import dns.tsig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import (
    OWN_UDP_SIZE,
    acknowledge,
    fits_udp,
    refuse,
    soa_answer,
    truncated,
)
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import (
    MAX_QUESTION,
    BadQuestionError,
    Question,
    read_question,
)
from countersign.registry.transfer.signature import FUDGE
from countersign.registry.transfer.tsig import Signer
from tests.registry.transfer.zones import EXPIRE, KEY, KEYS, NOW, ZONE, foreign_query, soa_of

pytestmark = pytest.mark.usefixtures("foreign_clock")

Change = Callable[[dns.message.QueryMessage], None]


def read(query: dns.message.Message, *, needs_key: bool = True) -> Question:
    return read_question(query.to_wire(), KEYS.get, NOW, needs_key=needs_key)


def bad(octets: bytes, *, needs_key: bool = True) -> BadQuestionError:
    with pytest.raises(BadQuestionError) as caught:
        read_question(octets, KEYS.get, NOW, needs_key=needs_key)
    return caught.value


def answered(
    query: dns.message.Message, octets: bytes, *, is_signed: bool = True
) -> dns.message.Message:
    mac = query.mac if is_signed else b""
    return dns.message.from_wire(octets, query.keyring, request_mac=mac)


@pytest.mark.parametrize("kind", ["SOA", "AXFR", "IXFR", "TXT"])
def test_a_signed_question_of_dnspython_is_understood(kind: str) -> None:
    query = foreign_query(kind, 41 if kind == "IXFR" else None)
    question = read(query)
    assert question.id == query.id
    assert (question.opcode, question.kind) == (wire.QUERY, query.question[0].rdtype)
    assert question.name == ZONE
    assert question.serial == (41 if kind == "IXFR" else None)
    assert question.key == KEY
    assert question.mac == query.mac
    assert question.edns_size is None
    assert question.udp_size == 512
    assert question.recursion_desired


@pytest.mark.parametrize(
    ("size", "allowed"), [(0, 512), (512, 512), (1000, 1000), (65_535, OWN_UDP_SIZE)]
)
def test_edns_says_how_long_an_answer_may_be(size: int, allowed: int) -> None:
    query = foreign_query("SOA")
    query.use_edns(payload=size, ednsflags=dns.flags.DO)
    question = read(query)
    assert question.edns_size == size
    assert question.udp_size == allowed
    response = answered(query, refuse(question, dns.rcode.NOERROR, NOW))
    assert response.payload == OWN_UDP_SIZE
    assert response.ednsflags & dns.flags.DO


@pytest.mark.parametrize("asks", [False, True])
def test_the_time_to_expire_is_told_to_who_asks(asks: bool) -> None:
    option = dns.edns.GenericOption(dns.edns.OptionType(9), b"")
    query = foreign_query("SOA")
    query.use_edns(options=[option] if asks else [])
    octets = soa_answer(read(query), soa_of(42), NOW)
    response = answered(query, octets)
    assert query.is_response(response)
    assert response.had_tsig
    assert response.flags & dns.flags.AA
    [rrset] = response.answer
    assert rrset[0].serial == 42
    assert [(one.otype, one.to_wire()) for one in response.options] == (
        [(9, EXPIRE.to_bytes(4))] if asks else []
    )


def test_an_answer_that_is_too_long_for_udp_says_ask_over_tcp() -> None:
    query = foreign_query("SOA")
    question = read(query)
    long = soa_answer(question, soa_of(42), NOW) + bytes(512)
    short = fits_udp(question, long, NOW)
    assert answered(query, short).flags & dns.flags.TC
    assert short == truncated(question, NOW)
    assert fits_udp(question, short, NOW) == short


def test_a_notify_is_understood_and_acknowledged() -> None:
    notify = foreign_query("SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    soa = dns.rrset.from_text("list.example.", 60, "IN", "SOA", "ns.a. b.c. 77 1 2 3 4")
    notify.answer.append(soa)
    question = read(notify)
    assert (question.opcode, question.serial) == (wire.NOTIFY, 77)
    octets = acknowledge(question, NOW)
    response = answered(notify, octets)
    assert notify.is_response(response)
    assert (response.opcode(), response.rcode()) == (dns.opcode.NOTIFY, dns.rcode.NOERROR)
    assert response.flags & dns.flags.AA
    del notify.answer[:]
    assert read(notify).serial is None


def _other_opcode(query: dns.message.QueryMessage) -> None:
    query.set_opcode(dns.opcode.STATUS)


def _other_class(query: dns.message.QueryMessage) -> None:
    query.question[0].rdclass = dns.rdataclass.CH


def _other_edns(query: dns.message.QueryMessage) -> None:
    query.use_edns(1)


def _two_questions(query: dns.message.QueryMessage) -> None:
    query.question.append(query.question[0])


def _no_question(query: dns.message.QueryMessage) -> None:
    query.question.clear()


def _no_serial(query: dns.message.QueryMessage) -> None:
    query.authority.clear()


def _two_serials(query: dns.message.QueryMessage) -> None:
    soa = dns.rdata.from_text("IN", "SOA", ". . 2 0 0 0 0")
    # Not add(): a set of SOA records holds but one.
    rrset = dns.rrset.from_rdata(query.question[0].name, 0, soa)
    query.authority.append(rrset)


def _serial_of_another(query: dns.message.QueryMessage) -> None:
    query.authority[0].name = dns.name.from_text("another.example")


@pytest.mark.parametrize(
    ("change", "rcode"),
    [
        (_other_opcode, dns.rcode.NOTIMP),
        (_other_class, dns.rcode.REFUSED),
        (_other_edns, dns.rcode.BADVERS),
        (_two_questions, dns.rcode.FORMERR),
        (_no_question, dns.rcode.FORMERR),
        (_no_serial, dns.rcode.FORMERR),
        (_two_serials, dns.rcode.FORMERR),
        (_serial_of_another, dns.rcode.FORMERR),
    ],
)
def test_a_question_that_we_cannot_answer_is_answered_with_the_reason(
    change: Change, rcode: dns.rcode.Rcode
) -> None:
    query = foreign_query("IXFR", 41)
    change(query)
    error = bad(query.to_wire())
    assert error.rcode == rcode
    assert error.answer is not None
    # Without one question there is too little, or too much, to look for a signature.
    is_signed = len(query.question) == 1
    response = answered(query, error.answer, is_signed=is_signed)
    assert response.id == query.id
    assert response.rcode() == rcode
    assert response.flags & dns.flags.QR
    assert response.opcode() == query.opcode()
    assert response.had_tsig == is_signed


def test_what_is_not_signed_is_refused_unless_it_may_be() -> None:
    query = foreign_query("AXFR", key=None)
    error = bad(query.to_wire())
    assert error.answer is not None
    response = dns.message.from_wire(error.answer)
    assert query.is_response(response)
    assert response.rcode() == dns.rcode.REFUSED
    assert read(query, needs_key=False).key is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (TsigKey("another.example", KEY.algorithm, KEY.secret), dns.tsig.PeerBadKey),
        (TsigKey(KEY.name, "hmac-sha512", KEY.secret), dns.tsig.PeerBadKey),
        (TsigKey(KEY.name, KEY.algorithm, bytes(32)), dns.tsig.PeerBadSignature),
    ],
)
def test_a_wrong_signature_is_answered_with_its_fault(
    key: TsigKey, expected: type[dns.tsig.PeerError]
) -> None:
    query = foreign_query("AXFR", key=key)
    error = bad(query.to_wire())
    assert error.rcode == dns.rcode.NOTAUTH
    assert error.answer is not None
    with pytest.raises(expected):
        dns.message.from_wire(error.answer, query.keyring, request_mac=query.mac)
    bare = dns.message.from_wire(error.answer, keyring=False)
    assert bare.rcode() == dns.rcode.NOTAUTH
    assert bare.tsig is not None
    assert bare.tsig[0].mac == b""


def test_who_has_a_wrong_clock_is_told_ours_with_a_signature() -> None:
    octets = Signer(KEY).sign(foreign_query("SOA", key=None).to_wire(), NOW)
    signed = dns.message.from_wire(octets, KEY.for_dns())
    later = NOW + FUDGE + 1
    with pytest.raises(BadQuestionError) as caught:
        read_question(octets, KEYS.get, later)
    answer = caught.value.answer
    assert answer is not None
    with pytest.raises(dns.tsig.PeerBadTime):
        dns.message.from_wire(answer, KEY.for_dns(), request_mac=signed.mac)
    tsig = dns.message.from_wire(answer, keyring=False).tsig
    assert tsig is not None
    data = tsig[0]
    assert (data.time_signed, data.other) == (int(NOW), int(later).to_bytes(6))
    header = wire.read_header(answer)
    assert (header.rcode, header.answers) == (dns.rcode.NOTAUTH, 0)
    # dnspython refuses before it verifies, so this is the digest as RFC 8945 §5.3 has it.
    plain = data.replace(error=0)
    start = answer.rindex(b"\x09replica-1")
    shown = dns.tsig._digest(
        wire.without_last(answer, start), KEY.for_dns(), data, None, signed.mac
    )
    assert shown.sign() == plain.mac


def test_what_is_an_answer_or_too_short_is_not_answered() -> None:
    response = dns.message.make_response(foreign_query("SOA", key=None))
    for octets in (response.to_wire(), b"", bytes(11)):
        assert bad(octets).answer is None


def test_a_question_with_too_much_in_it_is_refused() -> None:
    octets = foreign_query("SOA", key=None).to_wire()
    record = b"\0\0\x10\0\1" + bytes(6)
    counts = octets[:10] + (500).to_bytes(2) + octets[12:]
    for long in (octets + bytes(MAX_QUESTION), counts + record * 500):
        error = bad(long)
        assert error.rcode == dns.rcode.FORMERR
        assert error.answer is not None
        assert len(error.answer) == wire.HEADER_SIZE


questions = st.sampled_from([("IXFR", 41, KEY), ("IXFR", 41, None), ("SOA", None, KEY)]).map(
    lambda asked: foreign_query(*asked).to_wire()
)


@settings(deadline=None)
@given(questions, st.data(), st.booleans())
def test_any_change_of_a_question_is_a_question_or_a_documented_error(
    octets: bytes, data: st.DataObject, needs_key: bool
) -> None:
    at = data.draw(st.integers(0, len(octets)))
    until = data.draw(st.integers(at, min(at + 4, len(octets))))
    changed = octets[:at] + data.draw(st.binary(max_size=6)) + octets[until:]
    try:
        question = read_question(changed, KEYS.get, NOW, needs_key=needs_key)
        assert question.key is None or changed[2:12] == octets[2:12]
    except BadQuestionError as error:
        if error.answer is not None:
            assert len(error.answer) < len(octets) + 300
            dns.message.from_wire(error.answer, keyring=False)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_octets_are_a_question_or_a_documented_error(octets: bytes) -> None:
    try:
        assert read_question(octets, KEYS.get, NOW, needs_key=False).key is None
    except BadQuestionError as error:
        assert error.answer is None or error.answer[:2] == octets[:2]
