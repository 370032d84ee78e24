"""The secure look-up against a real Knot that signs and a real Unbound that validates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rrset
import pytest

from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.registry.dns_records import NotAuthenticError, ResolutionFailedError
from countersign.registry.dnssec.anchors import AnchorError
from countersign.registry.lookup import RegistryUnavailableError, Standing
from countersign.registry.name_list import NameListRegistry
from countersign.registry.secure_dns_client import (
    DnsSecurity,
    TrustedResolverClient,
    ValidatingClient,
    open_dns_client,
)
from tests.peers import dns_questions
from tests.peers.dns_peer import skip_without
from tests.peers.knot import Knot
from tests.peers.unbound import Unbound

pytestmark = pytest.mark.peer

ZONE = "list.example"
LONG = " ".join(f'"{letter * 250}"' for letter in "abcdef")
TEXT = f"""\
$ORIGIN {ZONE}.
$TTL 600
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.1
mail.one.org A 127.0.0.2
mail.one.org TXT "v=countersign1; pin=3 1 1 00ff"
spam.three.net TXT "v=countersign1; reason=spam, case 7"
long.four.org A 127.0.0.2
long.four.org TXT {LONG}
"""


class SigningKnot(Knot):
    """Signs with one algorithm, by NSEC or NSEC3."""

    def __init__(
        self, algorithm: str = "ECDSAP256SHA256", *, nsec3: bool = False, clock: str = ""
    ) -> None:
        super().__init__(ZONE, sign=True, zone_text=TEXT, clock=clock)
        self.chain = "NSEC3" if nsec3 else "NSEC"
        self._policy = f"{algorithm}\n    nsec3: {'on' if nsec3 else 'off'}"

    def configuration(self) -> str:
        return super().configuration().replace("ECDSAP256SHA256", self._policy)

    @property
    def anchors(self) -> list[str]:
        return dns_questions.key_signing_keys(self.listen, ZONE)


@pytest.fixture(
    scope="module",
    params=[
        (algorithm, nsec3)
        for algorithm in ("ECDSAP256SHA256", "ED25519")
        for nsec3 in (False, True)
    ],
    ids=lambda param: f"{param[0]}-{'nsec3' if param[1] else 'nsec'}",
)
def knot(request: pytest.FixtureRequest) -> Iterator[SigningKnot]:
    skip_without("knotd")
    with SigningKnot(request.param[0], nsec3=request.param[1]) as running:
        yield running


@pytest.fixture(scope="module")
def other_knot() -> Iterator[SigningKnot]:
    """The same zone, signed with keys that nobody trusts."""
    skip_without("knotd")
    with SigningKnot() as running:
        yield running


@pytest.fixture(scope="module")
def unbound(knot: SigningKnot) -> Iterator[Unbound]:
    skip_without("unbound")
    with Unbound({ZONE: knot.listen}, trust_anchors=knot.anchors) as running:
        yield running


def validating(*endpoints: str, anchors: list[str], lifetime: float = 4) -> ValidatingClient:
    return ValidatingClient(
        endpoints, timeout=1, lifetime=lifetime, zone=ZONE, trust_anchors=anchors
    )


def trusting(*endpoints: str) -> TrustedResolverClient:
    return TrustedResolverClient(endpoints, timeout=1, lifetime=4)


async def check_standings(registry: NameListRegistry) -> None:
    entry = await registry.look_up("mail.one.org")
    assert entry.standing is Standing.REGISTERED
    assert entry.pins[0].data == b"\x00\xff"
    entry = await registry.look_up("spam.three.net")
    assert (entry.standing, entry.reason) == (Standing.SUSPENDED, "spam, case 7")
    for absent in ("absent.one.org", "a.b.c.d", "one.org", "zzz.zz"):
        assert (await registry.look_up(absent)).standing is Standing.ABSENT


# Our own validation.


async def test_what_a_signing_secondary_answers_is_proven(knot: SigningKnot) -> None:
    denial = knot.ask(f"absent.one.org.{ZONE}", dnssec=True).authority
    assert {rrset.rdtype.name for rrset in denial} & {"NSEC", "NSEC3"} == {knot.chain}
    await check_standings(NameListRegistry(ZONE, validating(knot.listen, anchors=knot.anchors)))


async def test_what_a_resolver_passes_on_is_proven(knot: SigningKnot, unbound: Unbound) -> None:
    await check_standings(NameListRegistry(ZONE, validating(unbound.listen, anchors=knot.anchors)))


async def test_a_long_answer_comes_over_tcp(knot: SigningKnot) -> None:
    client = validating(knot.listen, anchors=knot.anchors)
    records = await client.ask(f"long.four.org.{ZONE}", "TXT")
    assert len(records.data[0].strings) == 6


async def test_another_zones_keys_prove_nothing(knot: SigningKnot, other_knot: SigningKnot) -> None:
    registry = NameListRegistry(ZONE, validating(other_knot.listen, anchors=knot.anchors))
    for name in ("mail.one.org", "spam.three.net", "absent.one.org"):
        with pytest.raises(RegistryUnavailableError):
            await registry.look_up(name)


async def test_a_second_server_makes_up_for_one_that_lies(
    knot: SigningKnot, other_knot: SigningKnot
) -> None:
    client = validating(other_knot.listen, knot.listen, anchors=knot.anchors)
    await check_standings(NameListRegistry(ZONE, client))


async def test_an_anchor_of_the_old_and_one_of_the_new_key_serve_a_roll_over(
    knot: SigningKnot, other_knot: SigningKnot
) -> None:
    anchors = [*other_knot.anchors, *knot.anchors]
    for server in (knot, other_knot):
        await check_standings(NameListRegistry(ZONE, validating(server.listen, anchors=anchors)))


async def test_expired_answers_prove_nothing() -> None:
    skip_without("knotd", "faketime")
    with SigningKnot(clock="-60d") as late:
        registry = NameListRegistry(ZONE, validating(late.listen, anchors=late.anchors))
        for name in ("mail.one.org", "spam.three.net", "absent.one.org"):
            with pytest.raises(RegistryUnavailableError, match="no valid signature"):
                await registry.look_up(name)


# A liar between us and the real servers.


@dataclass
class Lie:
    """What is done to the answers to questions of one type."""

    change: Callable[[Any], None]
    kind: str = "A"


class Liar(DnsServer):
    """Passes questions on to a real server, and changes what comes back."""

    def __init__(self, behind: str) -> None:
        super().__init__("127.0.0.1", 0)
        self.behind = behind
        self.lie: Lie | None = None

    def answer(self, wire: bytes) -> bytes | None:
        query: Any = dns.message.from_wire(wire)
        address, port = dns_questions.split(self.behind)
        response: Any = dns.query.tcp(query, address, 5, port)
        kind = query.question[0].rdtype.name
        self.questions[query.question[0].name.to_text(omit_final_dot=True).lower(), kind] += 1
        if self.lie is not None and kind == self.lie.kind:
            self.lie.change(response)
        return bytes(response.to_wire())


@pytest.fixture
async def liar(knot: SigningKnot) -> AsyncIterator[Liar]:
    server = Liar(knot.listen)
    await server.start()
    yield server
    await server.stop()


def strip(response: Any) -> None:
    for section in (response.answer, response.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype.name != "RRSIG"]


def list_it(response: Any) -> None:
    response.set_rcode(dns.rcode.NOERROR)
    response.authority.clear()
    name = response.question[0].name
    response.answer[:] = [dns.rrset.from_text(name, 600, "IN", "A", "127.0.0.2")]


def deny_it(response: Any) -> None:
    response.set_rcode(dns.rcode.NXDOMAIN)
    response.answer.clear()


def change_data(response: Any) -> None:
    if response.answer:
        response.answer[0] = dns.rrset.from_text(
            response.answer[0].name, 600, "IN", "A", "127.0.0.3"
        )
    else:
        list_it(response)


@pytest.mark.parametrize("change", [strip, list_it, deny_it, change_data])
async def test_lies_are_neither_yes_nor_no(
    knot: SigningKnot, liar: Liar, change: Callable[[Any], None]
) -> None:
    client = validating(liar.endpoint, anchors=knot.anchors)
    liar.lie = Lie(change)
    for name in ("mail.one.org", "spam.three.net", "absent.one.org"):
        if change is deny_it and name == "absent.one.org":
            continue
        with pytest.raises(NotAuthenticError):
            await client.ask(f"{name}.{ZONE}", "A")
        with pytest.raises(RegistryUnavailableError):
            await NameListRegistry(ZONE, client).look_up(name)
    liar.lie = None
    await check_standings(NameListRegistry(ZONE, client))


async def test_the_true_denial_of_another_name_denies_nothing(
    knot: SigningKnot, liar: Liar
) -> None:
    client = validating(liar.endpoint, anchors=knot.anchors)
    for other in ("absent.one.org", "mail.one.orf", "zzz", "spam.three.net", "one.org"):
        denial: Any = knot.ask(f"{other}.{ZONE}", "A", dnssec=True, tcp=True)

        def replay(response: Any, denial: Any = denial) -> None:
            response.answer, response.authority = [], denial.authority
            response.set_rcode(denial.rcode())

        liar.lie = Lie(replay)
        with pytest.raises(NotAuthenticError):
            await client.ask(f"mail.one.org.{ZONE}", "A")


async def test_proven_answers_are_kept_and_refused_ones_are_not(
    knot: SigningKnot, liar: Liar
) -> None:
    client = validating(liar.endpoint, anchors=knot.anchors)
    name = f"mail.one.org.{ZONE}"
    liar.lie = Lie(strip)
    for _ in range(2):
        with pytest.raises(NotAuthenticError):
            await client.ask(name, "A")
    assert liar.questions[name, "A"] == 2
    liar.lie = None
    await asyncio.gather(*(client.ask(name, "A") for _ in range(10)))
    assert (await client.ask(name, "A")).data
    assert liar.questions[name, "A"] == 3
    assert liar.questions[ZONE, "DNSKEY"] == 1


# The word of a resolver.


async def test_a_validating_resolvers_word_is_taken(unbound: Unbound) -> None:
    await check_standings(NameListRegistry(ZONE, trusting(unbound.listen)))


async def test_a_resolver_that_does_not_validate_is_not_believed(knot: SigningKnot) -> None:
    skip_without("unbound")
    with Unbound({ZONE: knot.listen}) as careless:
        client = trusting(careless.listen)
        for name in ("mail.one.org", "spam.three.net", "absent.one.org"):
            with pytest.raises(NotAuthenticError, match="AD"):
                await client.ask(f"{name}.{ZONE}", "A")
    # A server's own word is not that of a validator either.
    with pytest.raises(NotAuthenticError, match="AD"):
        await trusting(knot.listen).ask(f"mail.one.org.{ZONE}", "A")


async def test_what_the_resolver_finds_bogus_is_no_answer(
    knot: SigningKnot, other_knot: SigningKnot
) -> None:
    skip_without("unbound")
    with Unbound({ZONE: other_knot.listen}, trust_anchors=knot.anchors) as strict:
        with pytest.raises(ResolutionFailedError, match="SERVFAIL"):
            await trusting(strict.listen).ask(f"mail.one.org.{ZONE}", "A")
        # The same resolver may stand before our own validation: it is told not to judge.
        client = validating(strict.listen, anchors=other_knot.anchors)
        await check_standings(NameListRegistry(ZONE, client))


# Whatever fails.


@pytest.mark.parametrize("behaviour", list(Behaviour))
@pytest.mark.parametrize("security", [DnsSecurity.AD, DnsSecurity.VALIDATE])
async def test_no_answer_is_neither_yes_nor_no(behaviour: Behaviour, security: DnsSecurity) -> None:
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    server.misbehave(f"mail.one.org.{ZONE}", behaviour)
    anchor = f"{ZONE}. DS 1 13 2 {'00' * 32}"
    client = open_dns_client(
        security,
        [server.endpoint],
        timeout=0.3,
        lifetime=0.7,
        zone=ZONE,
        trust_anchors=[anchor],
    )
    with pytest.raises(RegistryUnavailableError):
        await NameListRegistry(ZONE, client).look_up("mail.one.org")
    await server.stop()


async def test_a_silent_server_is_asked_again_and_another_in_its_place(knot: SigningKnot) -> None:
    silent = DnsServer("127.0.0.1", 0)
    await silent.start()
    for name in (f"mail.one.org.{ZONE}", ZONE):
        silent.misbehave(name, Behaviour.SILENT)
    client = ValidatingClient(
        [silent.endpoint, knot.listen],
        timeout=0.2,
        lifetime=3,
        zone=ZONE,
        trust_anchors=knot.anchors,
    )
    assert (await client.ask(f"mail.one.org.{ZONE}", "A")).data
    alone = ValidatingClient(
        [silent.endpoint], timeout=0.2, lifetime=0.7, zone=ZONE, trust_anchors=knot.anchors
    )
    with pytest.raises(ResolutionFailedError, match="in time"):
        await alone.ask(f"mail.one.org.{ZONE}", "A")
    assert silent.questions[f"mail.one.org.{ZONE}", "A"] >= 1 + 2
    await silent.stop()


async def test_names_that_are_none_fail_without_a_question(knot: SigningKnot) -> None:
    client = validating(knot.listen, anchors=knot.anchors)
    for name in ("a..b", "x" * 64 + f".{ZONE}", f"mail.{'y.' * 130}{ZONE}"):
        with pytest.raises(ResolutionFailedError):
            await client.ask(name, "A")
    with pytest.raises(ResolutionFailedError):
        await client.ask(ZONE, "NONSENSE")


def test_validation_without_an_anchor_is_refused_at_once() -> None:
    with pytest.raises(AnchorError, match="no trust anchor"):
        open_dns_client(DnsSecurity.VALIDATE, ["127.0.0.1:53"], timeout=1, lifetime=1, zone=ZONE)


async def test_without_security_everything_is_as_before() -> None:
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    server.set(f"mail.one.org.{ZONE}", "A", "127.0.0.2")
    client = open_dns_client(DnsSecurity.NONE, [server.endpoint], timeout=1, lifetime=2)
    registry = NameListRegistry(ZONE, client)
    assert (await registry.look_up("mail.one.org")).standing is Standing.REGISTERED
    assert (await registry.look_up("absent.org")).standing is Standing.ABSENT
    await server.stop()
