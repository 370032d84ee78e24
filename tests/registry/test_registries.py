"""The registry by file and by DNS name list (DESIGN §7, RFC 5782)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.registry.dns_client import DnsClient
from countersign.registry.file import FileRegistry, RegistryFileError, load_registry_file, parse_pin
from countersign.registry.lookup import KeyPin, RegistryUnavailableError, Standing
from countersign.registry.name_list import NameListRegistry
from countersign.transport.resolver import NameNotFoundError, ResolutionFailedError, Resolver

GOOD = '[[server]]\nhostname = "Mail.Example.ORG."\npins = ["3 1 1 00ff"]\n'


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "registry.toml"
    path.write_text(GOOD)
    registry = FileRegistry(path)
    entry = await registry.look_up("mail.example.org")
    assert entry.standing is Standing.REGISTERED
    assert entry.pins == (KeyPin(1, 1, b"\x00\xff"),)
    assert (await registry.look_up("other.example.org")).standing is Standing.ABSENT
    path.write_text('[[server]]\nhostname="mail.example.org"\nstanding="suspended"\nreason="r"\n')
    entry = await registry.look_up("mail.example.org")
    assert (entry.standing, entry.reason) == (Standing.SUSPENDED, "r")
    for broken in ("[[server", "server = 3"):
        path.write_text(broken)
        assert (await registry.look_up("mail.example.org")).standing is Standing.SUSPENDED
    path.unlink()
    assert (await registry.look_up("mail.example.org")).standing is Standing.SUSPENDED


def test_json_works_too(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text(json.dumps({"server": [{"hostname": "bücher.example"}]}))
    assert list(load_registry_file(path)) == ["xn--bcher-kva.example"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[server]]\nhostname = 3x\n", "line 2"),
        ("[[server]]\nhostname = 'a b'\n", "server number 1: hostname"),
        ("[[server]]\nhostname = 'a.example'\nstanding='x'\n", "standing is"),
        ("[[server]]\nhostname = 'a.example'\npins=['1 2']\n", "TLSA"),
        ("[[server]]\nhostname = 'a.example'\nhost='b'\n", "unknown field 'host'"),
    ],
)
def test_errors_say_where_and_why(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "registry.toml"
    path.write_text(text)
    with pytest.raises(RegistryFileError, match=reason):
        FileRegistry(path)
    with pytest.raises(RegistryFileError, match="No such file"):
        FileRegistry(tmp_path / "absent.toml")


@given(st.text(max_size=60))
def test_pins_are_pins_or_errors(text: str) -> None:
    try:
        pin = parse_pin(text)
    except ValueError:
        return
    assert pin.selector in (0, 1)
    assert pin.matching_type in (0, 1, 2)


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    yield server
    await server.stop()


def client(dns: DnsServer) -> DnsClient:
    return DnsClient([dns.endpoint], timeout=0.5, lifetime=1)


async def test_a_name_list(dns: DnsServer) -> None:
    registry = NameListRegistry("list.example", client(dns))
    dns.set("a.example.list.example", "A", "127.0.0.2")
    dns.set("a.example.list.example", "TXT", '"v=countersign1; pin=3 1 1 00ff"')
    dns.set("s.example.list.example", "TXT", '"v=countersign1; reason=spam, case 7"')
    entry = await registry.look_up("a.example")
    assert (entry.standing, entry.pins) == (Standing.REGISTERED, (KeyPin(1, 1, b"\x00\xff"),))
    entry = await registry.look_up("s.example")
    assert (entry.standing, entry.reason) == (Standing.SUSPENDED, "spam, case 7")
    assert (await registry.look_up("n.example")).standing is Standing.ABSENT


@pytest.mark.parametrize(
    "hostname", ["test", "org", "2.0.0.127.ip", "a.example._vouch", "s._domainkey.a.example"]
)
async def test_what_the_list_holds_of_its_own_is_no_server(dns: DnsServer, hostname: str) -> None:
    dns.set(f"{hostname}.list.example", "A", "127.0.0.2")
    dns.set(f"{hostname}.list.example", "TXT", '"v=countersign1"')
    entry = await NameListRegistry("list.example", client(dns)).look_up(hostname)
    assert entry.standing is Standing.ABSENT


async def test_an_old_half_of_an_answer_is_neither_yes_nor_no(dns: DnsServer) -> None:
    """A resolver may still know that there was no A record, or that there was one."""
    registry = NameListRegistry("list.example", client(dns))
    dns.set("new.example.list.example", "TXT", '"v=countersign1; pin=3 1 1 00ff"')
    dns.set("bad.example.list.example", "A", "127.0.0.2")
    dns.set("bad.example.list.example", "TXT", '"v=countersign1; since=2026-01-02; reason=spam"')
    for hostname in ("new.example", "bad.example"):
        with pytest.raises(RegistryUnavailableError, match="contradict"):
            await registry.look_up(hostname)


@pytest.mark.parametrize("code", ["127.255.255.254", "127.0.0.1", "127.0.0.255", "192.0.2.1"])
async def test_an_overload_answer_is_never_a_listing(dns: DnsServer, code: str) -> None:
    registry = NameListRegistry("list.example", client(dns))
    dns.set("a.example.list.example", "A", "127.0.0.2", code)
    with pytest.raises(RegistryUnavailableError):
        await registry.look_up("a.example")


@pytest.mark.parametrize("behaviour", list(Behaviour))
async def test_no_answer_is_neither_yes_nor_no(dns: DnsServer, behaviour: Behaviour) -> None:
    registry = NameListRegistry("list.example", client(dns))
    dns.set("a.example.list.example", "A", "127.0.0.2")
    dns.misbehave("a.example.list.example", behaviour)
    with pytest.raises(RegistryUnavailableError):
        await registry.look_up("a.example")


async def test_a_bad_pin_does_not_weaken_the_check(dns: DnsServer) -> None:
    registry = NameListRegistry("list.example", client(dns))
    dns.set("a.example.list.example", "A", "127.0.0.2")
    dns.set("a.example.list.example", "TXT", '"v=countersign1; pin=3 1 1 xyz"')
    with pytest.raises(RegistryUnavailableError):
        await registry.look_up("a.example")


async def test_ttl_is_respected_and_equal_questions_are_asked_once(dns: DnsServer) -> None:
    import asyncio

    asker = client(dns)
    dns.set("long.example", "A", "192.0.2.1", ttl=300)
    dns.set("zero.example", "A", "192.0.2.1", ttl=0)
    for name in ("long.example", "zero.example"):
        await asyncio.gather(*(asker.ask(name, "A") for _ in range(10)))
        await asker.ask(name, "A")
    assert dns.questions["long.example", "A"] == 1
    assert dns.questions["zero.example", "A"] == 2
    await asker.ask("long.example", "A", fresh=True)
    assert dns.questions["long.example", "A"] == 2


async def test_addresses(dns: DnsServer) -> None:
    resolver = Resolver(client(dns))
    dns.set("four.example", "A", "192.0.2.1")
    dns.set("both.example", "A", "192.0.2.1")
    dns.set("both.example", "AAAA", "2001:db8::1")
    dns.set("none.example", "TXT", '"x"')
    dns.set("alias.example", "CNAME", "four.example.")
    dns.misbehave("broken.example", Behaviour.SERVFAIL)
    assert await resolver.addresses("four.example") == ["192.0.2.1"]
    assert await resolver.addresses("both.example") == ["2001:db8::1", "192.0.2.1"]
    assert await resolver.addresses("alias.example") == ["192.0.2.1"]
    assert await resolver.addresses("none.example") == []
    with pytest.raises(NameNotFoundError):
        await resolver.addresses("absent.example")
    with pytest.raises(ResolutionFailedError):
        await resolver.addresses("broken.example")
