"""A host name's address in the DNS, as a real DNS server answers for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.registrar.config import Certification
from countersign.registrar.dns_presence import has_address
from countersign.registry.dns_client import ResolutionFailedError

HOST = "mail.alpha.example"


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    yield server
    await server.stop()


async def ask(dns: DnsServer, name: str = HOST) -> bool:
    # As the website does: in a thread without an event loop.
    return await asyncio.to_thread(has_address, name, Certification(nameservers=(dns.endpoint,)))


@pytest.mark.parametrize(("kind", "address"), [("A", "192.0.2.7"), ("AAAA", "2001:db8::7")])
async def test_an_address_of_either_family_will_do(dns: DnsServer, kind: str, address: str) -> None:
    dns.set(HOST, kind, address)
    assert await ask(dns)


async def test_a_name_without_address_and_one_that_does_not_exist_have_none(
    dns: DnsServer,
) -> None:
    dns.set(HOST, "TXT", '"text"')
    assert not await ask(dns)
    assert not await ask(dns, "nothing.alpha.example")


async def test_each_question_is_asked_anew(dns: DnsServer) -> None:
    dns.set(HOST, "A", "192.0.2.7")
    assert await ask(dns)
    assert await ask(dns)
    assert dns.questions[(HOST, "A")] == 2


async def test_a_dns_that_fails_says_neither_yes_nor_no(dns: DnsServer) -> None:
    dns.misbehave(HOST, Behaviour.SERVFAIL)
    with pytest.raises(ResolutionFailedError):
        await ask(dns)
