"""However an attacker changes a signed answer, it is never read as another answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registry.dns_records import NotAuthenticError, Records
from countersign.registry.dnssec.anchors import parse_anchors
from countersign.registry.dnssec.validator import ZoneValidator
from tests.registry.signed_zone import NOW, TEXT, ZONE, SignedZone, name_of, reparsed

Result = TypeVar("Result")
NAMES = ("mail.one.org", "mx.two.org", "spam.three.net", "absent.one.org", "a.b.c", "org", "@")
KINDS = (RdataType.A, RdataType.TXT, RdataType.SOA, RdataType.MX)
QUESTIONS = [(name_of(name), kind) for name in NAMES for kind in KINDS]


@dataclass
class Case:
    """A zone with a validator that knows its keys, and the true answers."""

    zone: SignedZone
    validator: ZoneValidator
    truth: dict[tuple[dns.name.Name, RdataType], Records]

    @classmethod
    def of(cls, zone: SignedZone) -> Case:
        validator = ZoneValidator(parse_anchors(ZONE, (zone.anchor,)), zone.ask, clock=lambda: NOW)

        async def look_up_all() -> dict[tuple[dns.name.Name, RdataType], Records]:
            return {question: await validator.look_up(*question) for question in QUESTIONS}

        return cls(zone, validator, asyncio.run(look_up_all()))

    def check(
        self, question: tuple[dns.name.Name, RdataType], message: dns.message.QueryMessage
    ) -> bool:
        """Whether the answer was believed; fail if it was, and is not the true one."""
        try:
            found = without_waiting(self.validator.validate(*question, message))
        except (NotAuthenticError, dns.exception.DNSException):
            return False
        true = self.truth[question]
        assert (set(found.data), found.exists) == (set(true.data), true.exists)
        assert found.ttl <= max(true.ttl, 300)
        return True


def without_waiting(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of work that has all it needs."""
    try:
        work.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("it waited")


CASES = [Case.of(SignedZone(nsec3=nsec3)) for nsec3 in (False, True)]
cases = st.sampled_from(CASES)
questions = st.sampled_from(QUESTIONS)


@given(cases, questions)
@settings(max_examples=100)
def test_unchanged_answers_are_believed(case: Case, question: Any) -> None:
    assert case.check(question, reparsed(case.zone.respond(*question)))


@given(cases, questions, st.data())
@settings(max_examples=1500, deadline=None)
def test_changed_octets(case: Case, question: Any, data: st.DataObject) -> None:
    octets = bytearray(case.zone.respond(*question).to_wire())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets) - 1))
        match data.draw(st.sampled_from(["flip", "set", "cut", "insert"])):
            case "flip":
                octets[place] ^= 1 << data.draw(st.integers(0, 7))
            case "set":
                octets[place] = data.draw(st.integers(0, 255))
            case "cut" if len(octets) > 40:
                del octets[place : place + data.draw(st.integers(1, 3))]
            case _:
                octets[place:place] = data.draw(st.binary(min_size=1, max_size=4))
    try:
        message: Any = dns.message.from_wire(bytes(octets), ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return
    if isinstance(message, dns.message.QueryMessage):
        case.check(question, message)


@given(cases, questions, st.data())
@settings(max_examples=1500, deadline=None)
def test_records_mixed_from_other_true_answers(
    case: Case, question: Any, data: st.DataObject
) -> None:
    """Replay: every record was signed by the zone, but for other questions."""
    message = case.zone.respond(*question)
    pool = [
        (section, rrset)
        for other in data.draw(st.lists(questions, min_size=1, max_size=4))
        for answer in (case.zone.respond(*other),)
        for section, rrsets in (("answer", answer.answer), ("authority", answer.authority))
        for rrset in rrsets
    ]
    if data.draw(st.booleans()):
        message.answer.clear()
        message.authority.clear()
    for section, rrset in data.draw(st.lists(st.sampled_from(pool), max_size=8)):
        into: list[dns.rrset.RRset] = getattr(message, section)
        if data.draw(st.booleans()):
            into = message.answer if into is message.authority else message.authority
        moved = rrset.copy()
        if data.draw(st.integers(0, 4)) == 0:
            moved.name = data.draw(questions)[0]
        into.append(moved)
    for rrsets in (message.answer, message.authority):
        if rrsets and data.draw(st.booleans()):
            rrsets.remove(data.draw(st.sampled_from(rrsets)))
    if data.draw(st.booleans()):
        codes = [dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL]
        message.set_rcode(data.draw(st.sampled_from(codes)))
    case.check(question, message)
    case.check(question, reparsed(message))


LABELS = st.sampled_from(["a", "b", "*", "org", "net", "mail", "0", "zz", "-"])


@given(st.lists(LABELS, min_size=1, max_size=4), st.booleans(), st.sampled_from(KINDS[:2]))
@settings(max_examples=300, deadline=None)
def test_of_any_name_the_zone_proves_what_is_so(
    labels: list[str], nsec3: bool, kind: RdataType
) -> None:
    """Both directions at once: the chain proves each absence, and never one of what exists."""
    case = CASES[int(nsec3)]
    name = name_of(".".join(labels))
    found = without_waiting(case.validator.validate(name, kind, case.zone.respond(name, kind)))
    assert found.exists == case.zone.exists(name)
    node = case.zone.nodes.get(name, {})
    assert set(found.data) == set(node.get(kind, ()))


@given(st.lists(st.integers(0, 30), max_size=5), st.booleans(), st.data())
@settings(max_examples=600, deadline=None)
def test_no_choice_of_true_denials_denies_what_exists(
    picks: list[int], nsec3: bool, data: st.DataObject
) -> None:
    """NSEC and NSEC3 of the whole chain, with cuts, aliases and wildcards in the zone."""
    zone = CUT_ZONES[int(nsec3)].zone
    name = name_of(data.draw(st.sampled_from(EXISTING)))
    message = zone.respond(name, RdataType.A)
    message.answer.clear()
    chain = zone.chain
    chosen = {chain[pick % len(chain)].name: chain[pick % len(chain)] for pick in picks}
    message.authority = [part for rrset in chosen.values() for part in zone.signed(rrset)]
    message.set_rcode(data.draw(st.sampled_from([dns.rcode.NOERROR, dns.rcode.NXDOMAIN])))
    try:
        found = without_waiting(
            CUT_ZONES[int(nsec3)].validator.validate(name, RdataType.A, message)
        )
    except NotAuthenticError:
        return
    raise AssertionError(f"{found} of {name}")


CUTS = """\
alias.org 600 CNAME mail.one.org
sub.org 600 NS ns
moved.org 600 DNAME elsewhere.example.
*.wild.org 600 A 127.0.0.2
below.mail.one.org 600 A 127.0.0.2
"""
EXISTING = (
    *("mail.one.org", "mx.two.org", "alias.org", "sub.org", "x.sub.org", "x.moved.org"),
    *("any.wild.org", "a.b.wild.org", "*.wild.org", "below.mail.one.org"),
)


class Bare(Case):
    """Without the true answers: this zone has names that are not ours to answer."""

    @classmethod
    def of(cls, zone: SignedZone) -> Bare:
        validator = ZoneValidator(parse_anchors(ZONE, (zone.anchor,)), zone.ask, clock=lambda: NOW)
        asyncio.run(validator.look_up(name_of("mail.one.org"), RdataType.A))
        return cls(zone, validator, {})


CUT_ZONES = [Bare.of(SignedZone(TEXT + CUTS, nsec3=nsec3)) for nsec3 in (False, True)]
