"""Validation from a trust anchor: what is proven, and what must not be believed."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from dns.dnssectypes import Algorithm
from dns.rdatatype import RdataType

from countersign.registry.dns_records import NotAuthenticError, Records
from countersign.registry.dnssec import keys, signatures
from countersign.registry.dnssec.anchors import AnchorError, parse_anchors
from countersign.registry.dnssec.validator import MAX_DENIALS, ZoneValidator
from tests.registry.signed_zone import (
    DAY,
    NOW,
    TEXT,
    ZONE,
    Key,
    SignedZone,
    empty_response,
    name_of,
    nsec_rrset,
)

A, TXT = RdataType.A, RdataType.TXT
CHAINS = pytest.mark.parametrize("nsec3", [False, True], ids=["nsec", "nsec3"])


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def validator(zone: SignedZone, *anchors: str, clock: Clock | None = None) -> ZoneValidator:
    trusted = parse_anchors(ZONE, anchors or (zone.anchor,))
    return ZoneValidator(trusted, zone.ask, clock=clock or Clock())


async def look_up(zone: SignedZone, name: str, kind: RdataType = A) -> Records:
    return await validator(zone).look_up(name_of(name), kind)


async def refused(zone: SignedZone, name: str, kind: RdataType = A, *, because: str = ".") -> None:
    with pytest.raises(NotAuthenticError, match=because):
        await look_up(zone, name, kind)


def tamper(zone: SignedZone, change: Any, kind: RdataType = A) -> None:
    """Have answers to questions of one type changed in place."""

    def changed(message: dns.message.QueryMessage) -> dns.message.QueryMessage:
        if message.question[0].rdtype == kind:
            change(message)
        return message

    zone.tamper = changed


# What is proven.


@CHAINS
@pytest.mark.parametrize("algorithm", [Algorithm.ECDSAP256SHA256, Algorithm.ED25519])
async def test_yes_and_both_kinds_of_no_are_proven(nsec3: bool, algorithm: Algorithm) -> None:
    zone = SignedZone(nsec3=nsec3, algorithm=algorithm)
    found = await look_up(zone, "mail.one.org")
    assert [record.address for record in found.data] == ["127.0.0.2"]
    assert (await look_up(zone, "spam.three.net", TXT)).data
    assert await look_up(zone, "spam.three.net") == Records((), exists=True, ttl=300)
    for absent in ("absent.one.org", "a.b.c.d.absent", "zzz", "0", "x.mail.one.org"):
        assert await look_up(zone, absent) == Records((), exists=False, ttl=300)


@CHAINS
async def test_a_name_that_only_has_names_below_it_exists_without_data(nsec3: bool) -> None:
    zone = SignedZone(nsec3=nsec3)
    for name in ("org", "one.org", "net"):
        assert await look_up(zone, name) == Records((), exists=True, ttl=300)


async def test_a_zone_with_nothing_but_its_apex_denies_everything_else() -> None:
    apex = "".join(TEXT.splitlines(keepends=True)[:2])
    for nsec3 in (False, True):
        zone = SignedZone(apex, nsec3=nsec3)
        assert not (await look_up(zone, "mail.one.org")).exists
        assert (await look_up(zone, "@")).exists


async def test_an_answer_is_kept_no_longer_than_its_signature_holds() -> None:
    zone = SignedZone(expiration=NOW + 100)
    assert (await look_up(zone, "mail.one.org")).ttl == 100
    assert (await look_up(zone, "absent.org")).ttl == 100
    zone = SignedZone()

    def raise_ttls(message: dns.message.QueryMessage) -> None:
        for rrset in message.answer:
            rrset.ttl = 80_000

    tamper(zone, raise_ttls)
    assert (await look_up(zone, "mail.one.org")).ttl == 600


async def test_letter_case_does_not_matter() -> None:
    assert (await look_up(SignedZone(), "MAIL.One.ORG")).data


async def test_any_one_of_several_anchors_is_enough() -> None:
    old, new = SignedZone(), SignedZone()
    both = validator(new, old.anchor, new.anchor)
    assert (await both.look_up(name_of("mail.one.org"), A)).data
    as_key = f"{ZONE}. DNSKEY {new.keys[0].record}"
    assert (await validator(new, as_key).look_up(name_of("mail.one.org"), A)).data


# Times.


@CHAINS
@pytest.mark.parametrize(
    ("inception", "expiration"), [(-2 * DAY, -DAY), (DAY, 2 * DAY), (-DAY, -301), (301, DAY)]
)
async def test_signatures_out_of_their_time_prove_nothing(
    nsec3: bool, inception: int, expiration: int
) -> None:
    good = SignedZone(nsec3=nsec3)
    zone = SignedZone(
        nsec3=nsec3, inception=NOW + inception, expiration=NOW + expiration, keys=good.keys
    )
    for name in ("mail.one.org", "absent.org", "spam.three.net"):
        await refused(zone, name, because="no valid signature")
        # The same with keys that are still good.
        mixed = SignedZone(nsec3=nsec3, keys=good.keys)
        tamper(mixed, lambda message: replace(message, zone.respond(name_of(name), A)))  # noqa: B023
        await refused(mixed, name, because="no valid signature")


async def test_clocks_may_differ_a_little() -> None:
    for times in ((-DAY, -200), (200, DAY)):
        zone = SignedZone(inception=NOW + times[0], expiration=NOW + times[1])
        records = await look_up(zone, "mail.one.org")
        assert records.data
        assert records.ttl == max(0, min(600, times[1]))


# Keys.


async def test_a_zone_signed_by_another_key_is_not_believed() -> None:
    zone, other = SignedZone(), SignedZone()
    with pytest.raises(NotAuthenticError, match="no trust anchor"):
        await validator(zone, other.anchor).look_up(name_of("mail.one.org"), A)
    tamper(zone, lambda message: replace(message, other.respond(name_of("mail.one.org"), A)))
    await refused(zone, "mail.one.org")


async def test_an_anchor_must_fit_the_whole_key() -> None:
    zone, other = SignedZone(), SignedZone()
    tag = dns.dnssec.key_id(zone.keys[0].record)
    for anchor in (
        f"{ZONE}. DS {tag} 13 2 {'00' * 32}",
        f"{ZONE}. DS {tag} 8 2 {zone.anchor.split()[-1]}",
        f"{ZONE}. DNSKEY {other.keys[0].record}",
        f"{ZONE}. DNSKEY {zone.keys[0].record.replace(flags=256)}",
    ):
        with pytest.raises(NotAuthenticError, match="no trust anchor"):
            await validator(zone, anchor).look_up(name_of("mail.one.org"), A)


@CHAINS
async def test_signatures_over_sha_1_prove_nothing(nsec3: bool) -> None:
    entry = Key(is_secure_entry=True, algorithm=Algorithm.ED25519)
    weak = Key(is_secure_entry=False, algorithm=Algorithm.RSASHA1NSEC3SHA1)
    zone = SignedZone(keys=(entry, weak), nsec3=nsec3)
    for name in ("mail.one.org", "absent.org"):
        await refused(zone, name, because="no valid signature")
    strong = Key(is_secure_entry=False, algorithm=Algorithm.RSASHA256)
    assert (await look_up(SignedZone(keys=(entry, strong), nsec3=nsec3), "mail.one.org")).data


async def test_signatures_in_the_name_of_another_zone_prove_nothing() -> None:
    zone = SignedZone()
    rrset = zone.nodes[name_of("mail.one.org")][A]
    for signer in ("example.", f"org.{ZONE}.", "other.example."):
        signature = zone.signature(rrset, signer=dns.name.from_text(signer))
        tamper(
            zone, lambda message, given=signature: set_answer(message, zone.signed(rrset, given))
        )
        await refused(zone, "mail.one.org", because="no valid signature")


async def test_an_unsigned_zone_is_not_believed() -> None:
    zone = SignedZone()
    zone.tamper = lambda message: empty_response(message.question[0].name, A)
    await refused(zone, "absent.org", because="not signed")


@pytest.mark.parametrize("flags", [0x80, "no zone"])
async def test_revoked_keys_and_keys_of_other_use_prove_nothing(flags: Any) -> None:
    entry = Key(is_secure_entry=True, algorithm=Algorithm.ED25519)
    bad = Key(is_secure_entry=False, algorithm=Algorithm.ED25519, flags=0x80)
    if flags == "no zone":
        bad.record = bad.record.replace(flags=0)
    zone = SignedZone(keys=(entry, bad))
    await refused(zone, "mail.one.org")


async def test_keys_that_the_anchor_has_not_signed_prove_nothing() -> None:
    zone = SignedZone()
    stranger = Key(is_secure_entry=False, algorithm=Algorithm.ECDSAP256SHA256)

    def add_key(message: dns.message.QueryMessage) -> None:
        message.answer[0].add(stranger.record)

    tamper(zone, add_key, RdataType.DNSKEY)
    await refused(zone, "mail.one.org", because="no signature of an RRset holds")

    def sign_by_stranger(message: dns.message.QueryMessage) -> None:
        add_key(message)
        signature = zone.signature(message.answer[0], stranger)
        message.answer[1] = dns.rrset.from_rdata(zone.apex, 600, signature)

    tamper(zone, sign_by_stranger, RdataType.DNSKEY)
    await refused(zone, "mail.one.org", because="no valid signature")


async def test_keys_are_fetched_once_and_again_when_their_time_is_over() -> None:
    zone, clock = SignedZone(expiration=NOW + 10 * DAY), Clock()
    asker = validator(zone, clock=clock)
    names = [name_of(name) for name in ("mail.one.org", "absent.org", "mx.two.org")]
    await asyncio.gather(*(asker.look_up(name, A) for name in names))
    assert zone.questions.count((f"{ZONE}.", "DNSKEY")) == 1
    clock.now += 599
    await asker.look_up(names[0], A)
    assert zone.questions.count((f"{ZONE}.", "DNSKEY")) == 1
    clock.now += 2
    await asker.look_up(names[0], A)
    assert zone.questions.count((f"{ZONE}.", "DNSKEY")) == 2


async def test_a_new_key_is_found_but_forgeries_do_not_make_us_ask_without_end() -> None:
    old, clock = SignedZone(), Clock()
    new = SignedZone(keys=(old.keys[0], SignedZone().keys[1]))
    asker = validator(old, clock=clock)
    name = name_of("mail.one.org")
    assert (await asker.look_up(name, A)).data
    old.tamper = lambda message: new.respond(message.question[0].name, message.question[0].rdtype)
    old.questions.clear()
    for _ in range(5):
        with pytest.raises(NotAuthenticError):
            await asker.look_up(name, A)
    assert (f"{ZONE}.", "DNSKEY") not in old.questions
    clock.now += keys.MIN_AGE
    assert (await asker.look_up(name, A)).data


async def test_a_failed_fetch_of_keys_is_not_kept() -> None:
    zone = SignedZone()
    asker = validator(zone)
    tamper(zone, lambda message: message.answer.clear(), RdataType.DNSKEY)
    with pytest.raises(NotAuthenticError):
        await asker.look_up(name_of("mail.one.org"), A)
    zone.tamper = lambda message: message
    assert (await asker.look_up(name_of("mail.one.org"), A)).data


# Tampered answers.


def replace(message: dns.message.QueryMessage, other: dns.message.QueryMessage) -> None:
    message.answer, message.authority = other.answer, other.authority
    message.set_rcode(other.rcode())


def strip(message: dns.message.QueryMessage) -> None:
    for section in (message.answer, message.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype != RdataType.RRSIG]


@CHAINS
async def test_stripped_signatures_are_noticed(nsec3: bool) -> None:
    zone = SignedZone(nsec3=nsec3)
    tamper(zone, strip)
    for name in ("mail.one.org", "absent.org", "spam.three.net"):
        await refused(zone, name, because="not signed")


async def test_changed_data_is_noticed() -> None:
    zone = SignedZone()

    def change(message: dns.message.QueryMessage) -> None:
        message.answer[0] = dns.rrset.from_text(message.answer[0].name, 600, "IN", "A", "127.0.0.3")

    tamper(zone, change)
    await refused(zone, "mail.one.org", because="holds")


async def test_records_of_another_name_or_type_are_no_answer() -> None:
    zone = SignedZone()
    tamper(zone, lambda message: replace(message, zone.respond(name_of("mx.two.org"), A)))
    await refused(zone, "absent.org", because="without a proof")

    def rename(message: dns.message.QueryMessage) -> None:
        replace(message, zone.respond(name_of("mx.two.org"), A))
        for rrset in message.answer:
            rrset.name = name_of("absent.org")

    tamper(zone, rename)
    await refused(zone, "absent.org")


@CHAINS
async def test_a_forged_absence_of_what_exists_is_noticed(nsec3: bool) -> None:
    zone = SignedZone(nsec3=nsec3)
    for other in ("absent.org", "mail.one.orf", "zzz", "spam.three.net", "org", "@"):
        for code in (dns.rcode.NXDOMAIN, dns.rcode.NOERROR):

            def forge(
                message: dns.message.QueryMessage, other: str = other, code: Any = code
            ) -> None:
                replace(message, zone.respond(name_of(other), RdataType.MX))
                message.set_rcode(code)

            tamper(zone, forge)
            await refused(zone, "mail.one.org")
    everything: list[dns.rrset.RRset] = [
        part for rrset in zone.chain[:MAX_DENIALS] for part in zone.signed(rrset)
    ]

    def give_all(message: dns.message.QueryMessage) -> None:
        message.answer.clear()
        message.authority = everything
        message.set_rcode(dns.rcode.NXDOMAIN)

    tamper(zone, give_all)
    await refused(zone, "mail.one.org")


@CHAINS
async def test_bare_errors_and_empty_answers_prove_nothing(nsec3: bool) -> None:
    zone = SignedZone(nsec3=nsec3)
    for code in (dns.rcode.NXDOMAIN, dns.rcode.NOERROR, dns.rcode.SERVFAIL, dns.rcode.REFUSED):

        def empty(message: dns.message.QueryMessage, code: Any = code) -> None:
            message.answer.clear()
            message.authority.clear()
            message.set_rcode(code)

        tamper(zone, empty)
        await refused(zone, "absent.org")
        await refused(zone, "mail.one.org")


@CHAINS
async def test_yes_with_the_code_for_no_is_refused(nsec3: bool) -> None:
    zone = SignedZone(nsec3=nsec3)
    tamper(zone, lambda message: message.set_rcode(dns.rcode.NXDOMAIN))
    await refused(zone, "mail.one.org", because="both yes and no")
    await refused(zone, "spam.three.net", because="without a proof")
    tamper(zone, lambda message: message.set_rcode(dns.rcode.NOERROR))
    await refused(zone, "absent.org", because="without a proof")


@CHAINS
async def test_each_part_of_a_name_error_is_needed(nsec3: bool) -> None:
    zone = SignedZone(nsec3=nsec3)
    name = name_of("a.b.zz.org")
    parts = zone.name_error(name)
    assert len(parts) == (3 if nsec3 else 2)
    for missing in parts:

        def leave_out(
            message: dns.message.QueryMessage, missing: dns.rrset.RRset = missing
        ) -> None:
            message.authority = [rrset for rrset in message.authority if rrset.name != missing.name]

        tamper(zone, leave_out)
        await refused(zone, "a.b.zz.org", because="without a proof")


# Wildcards, aliases, delegations.


@CHAINS
async def test_wildcards_are_neither_expanded_nor_overlooked(nsec3: bool) -> None:
    zone = SignedZone(TEXT + "*.four.org 600 A 127.0.0.2\n", nsec3=nsec3)
    await refused(zone, "any.four.org", because="no valid signature")

    def deny(message: dns.message.QueryMessage) -> None:
        message.answer.clear()
        message.authority = [
            part
            for rrset in zone.name_error(name_of("any.four.org"))
            for part in zone.signed(rrset)
        ]
        message.set_rcode(dns.rcode.NXDOMAIN)

    tamper(zone, deny)
    await refused(zone, "any.four.org", because="without a proof")
    # The name that an expanded NSEC would stand at is not where it was signed.
    wildcard = zone.matching(name_of("*.four.org"))[0]

    def expand(message: dns.message.QueryMessage) -> None:
        owner = name_of("any.four.org") if not nsec3 else zone.hashed(name_of("any.four.org"))
        message.authority = zone.signed(wildcard, owner=owner)

    tamper(zone, expand, TXT)
    await refused(zone, "any.four.org", TXT)


@CHAINS
async def test_aliases_are_not_followed(nsec3: bool) -> None:
    zone = SignedZone(TEXT + "alias.org 600 CNAME mail.one.org\n", nsec3=nsec3)

    def chain(message: dns.message.QueryMessage) -> None:
        cname = zone.nodes[name_of("alias.org")][RdataType.CNAME]
        target = zone.nodes[name_of("mail.one.org")][A]
        message.answer = [*zone.signed(cname), *zone.signed(target)]
        message.authority = []

    tamper(zone, chain)
    await refused(zone, "alias.org")
    # What is true of an alias' own name is no 'no' of the type asked for.
    tamper(zone, lambda message: None)
    await refused(zone, "alias.org", because="without a proof")


@CHAINS
@pytest.mark.parametrize("cut", ["sub.org 600 NS ns", "sub.org 600 DNAME elsewhere.example."])
async def test_what_lies_below_a_cut_is_not_denied_by_the_parent(nsec3: bool, cut: str) -> None:
    zone = SignedZone(f"{TEXT}{cut}\n", nsec3=nsec3)
    for name in ("host.sub.org", "a.b.sub.org"):
        await refused(zone, name, because="without a proof")
    if "NS" in cut:
        await refused(zone, "sub.org", because="without a proof")


async def test_opt_out_proves_no_absence() -> None:
    text = TEXT + "sub.org 600 NS ns\n"
    zone = SignedZone(text, nsec3=True, opt_out=True)
    await refused(zone, "sub.org")
    await refused(zone, "absent.org", because="without a proof")
    # What exists is another matter: its own record says what it has.
    assert (await look_up(zone, "spam.three.net")).exists
    assert (await look_up(zone, "mail.one.org")).data


async def test_one_opted_out_span_is_enough_to_refuse() -> None:
    zone = SignedZone(nsec3=True)
    name = name_of("a.b.absent.org")
    for denying in zone.name_error(name)[1:]:
        flagged = dns.rrset.from_rdata(denying.name, 300, denying[0].replace(flags=1))

        def flag(
            message: dns.message.QueryMessage,
            flagged: dns.rrset.RRset = flagged,
        ) -> None:
            others = [rrset for rrset in message.authority if rrset.name != flagged.name]
            message.authority = others + zone.signed(flagged)

        tamper(zone, flag)
        await refused(zone, "a.b.absent.org", because="without a proof")


async def test_nsec3_of_unknown_form_is_passed_over() -> None:
    zone = SignedZone(nsec3=True)
    name = name_of("absent.org")
    for change in ({"flags": 2}, {"algorithm": 2}, {"next": b"short"}, {"salt": b"other"}):

        def alter(message: dns.message.QueryMessage, change: Any = change) -> None:
            part = zone.name_error(name)[0]
            altered = dns.rrset.from_rdata(part.name, 300, part[0].replace(**change))
            others = [rrset for rrset in message.authority if rrset.name != part.name]
            message.authority = others + zone.signed(altered)

        tamper(zone, alter)
        await refused(zone, "absent.org")


# Bounds.


async def test_iterations_are_bounded() -> None:
    assert not (await look_up(SignedZone(nsec3=True, iterations=50), "absent.org")).exists
    zone = SignedZone(nsec3=True, iterations=51)
    await refused(zone, "absent.org", because="iterations")
    await refused(zone, "spam.three.net", because="iterations")


async def test_the_number_of_signature_checks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = SignedZone()
    rrset = zone.nodes[name_of("mail.one.org")][A]
    wrong = [zone.signature(rrset).replace(signature=bytes([n]) * 64) for n in range(8)]
    tried = count_checks(monkeypatch)
    tamper(zone, lambda message: set_answer(message, zone.signed(rrset, *wrong)))
    await refused(zone, "mail.one.org", because="holds")
    assert len(tried) == 1 + 8
    more = [*wrong, zone.signature(rrset)]
    tamper(zone, lambda message: set_answer(message, zone.signed(rrset, *more)))
    await refused(zone, "mail.one.org", because="too many signatures")


async def test_many_keys_of_one_tag_do_not_multiply_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """KeyTrap (CVE-2023-50387): here the zone's own owner is the attacker."""
    zone = SignedZone()
    key = zone.keys[1].record
    # Key tags are sums: exchanging two aligned pairs of octets leaves them as they are.
    octets = bytearray(key.key)
    for place in range(0, 28, 4):
        octets[place : place + 4] = octets[place + 2 : place + 4] + octets[place : place + 2]
        zone.dnskeys.add(key.replace(key=bytes(octets)))
    assert len({dns.dnssec.key_id(each) for each in list(zone.dnskeys)[1:]}) == 1
    rrset = zone.nodes[name_of("mail.one.org")][A]
    wrong = [zone.signature(rrset).replace(signature=bytes([n]) * 64) for n in range(8)]
    tamper(zone, lambda message: set_answer(message, zone.signed(rrset, *wrong)))
    tried = count_checks(monkeypatch)
    await refused(zone, "mail.one.org", because="too many signature checks")
    assert len(tried) == 1 + signatures.MAX_TRIES


async def test_keys_records_and_denials_are_bounded() -> None:
    zone = SignedZone()

    def add_keys(message: dns.message.QueryMessage) -> None:
        for number in range(keys.MAX_KEYS):
            message.answer[0].add(zone.keys[1].record.replace(key=bytes([number]) * 64))

    tamper(zone, add_keys, RdataType.DNSKEY)
    await refused(zone, "mail.one.org", because="too many or too long")
    addresses = [f"127.1.0.{n} " for n in range(signatures.MAX_RECORDS + 1)]
    many = dns.rrset.from_text(name_of("mail.one.org"), 600, "IN", "A", *addresses)
    tamper(zone, lambda message: set_answer(message, zone.signed(many)))
    await refused(zone, "mail.one.org", because="too many records")

    def add_denials(message: dns.message.QueryMessage) -> None:
        for number in range(MAX_DENIALS):
            extra = nsec_rrset(name_of(f"n{number}"), name_of(f"n{number}a"), [A])
            message.authority += zone.signed(extra)

    tamper(zone, add_denials)
    await refused(zone, "absent.org", because="too many denials")


async def test_only_names_of_the_zone_and_types_that_are_signed_are_asked_for() -> None:
    zone = SignedZone()
    outside = dns.name.from_text("mail.example")
    with pytest.raises(NotAuthenticError, match="outside"):
        await validator(zone).look_up(outside, A)
    for kind in (RdataType.ANY, RdataType.RRSIG, RdataType.DS, RdataType.AXFR):
        await refused(zone, "mail.one.org", kind, because="type")
    assert not zone.questions


def set_answer(message: dns.message.QueryMessage, section: list[dns.rrset.RRset]) -> None:
    message.answer = section


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    tried: list[int] = []
    real = dns.dnssec.validate_rrsig

    def counting(rrset: Any, signature: Any, *rest: Any, **named: Any) -> None:
        tried.append(signature.key_tag)
        real(rrset, signature, *rest, **named)

    monkeypatch.setattr("dns.dnssec.validate_rrsig", counting)
    return tried


# Anchors.

KEY = SignedZone().keys[0].record


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([], "there is no trust anchor"),
        (["list.example. DS 1 13 2 00ff"], "digest"),
        ([f"list.example. DS 1 13 1 {'00' * 20}"], "SHA-256"),
        ([f"list.example. DS 1 5 2 {'00' * 32}"], "algorithm 5"),
        ([f"other.example. DS 1 13 2 {'00' * 32}"], "of other.example"),
        (["list.example. A 192.0.2.1"], "DS or DNSKEY"),
        (["$INCLUDE /etc/passwd"], "as in a zone file"),
        (["gibberish"], "as in a zone file"),
        (["x" * 10_000], "too long"),
        ([f"list.example. DNSKEY {KEY.replace(flags=257 | 0x80)}"], "revoked"),
        ([f"list.example. DS {n} 13 2 {'00' * 32}" for n in range(17)], "more than 16"),
    ],
)
def test_unusable_anchors_are_refused_with_the_reason(texts: list[str], reason: str) -> None:
    with pytest.raises(AnchorError, match=reason):
        parse_anchors(ZONE, texts)
