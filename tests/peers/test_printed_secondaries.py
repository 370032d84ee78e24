"""What `countersign setup knot | nsd | bind` prints, run by the real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.registry.transfer.keys import TsigKey
from tests.gateway.world import free_port
from tests.peers.bind import Bind
from tests.peers.dns_peer import DnsPeer, Peer, skip_without
from tests.peers.dns_questions import (
    REFUSED,
    key_signing_keys,
    records,
    transfer,
    transfer_changes,
)
from tests.peers.knot import Knot
from tests.peers.nsd import Nsd
from tests.peers.unbound import Unbound

pytestmark = pytest.mark.peer

ZONE = "registry.example"
KEY = TsigKey.generate("secondary.example", "hmac-sha384")
STRANGER = TsigKey.generate("secondary.example", "hmac-sha384")
REPLICA = TsigKey.generate("replica.example", "hmac-sha512")
HOST = "mail.alpha.example"
ZONE_TEXT = f"""\
$ORIGIN {ZONE}.
$TTL 60
@ SOA ns.example. hostmaster.example. 10 3600 600 86400 60
@ NS ns.example.
{HOST} A 127.0.0.2
{HOST} TXT "v=countersign1"
""" + "".join(f"mail.number-{number}.example A 127.0.0.2\n" for number in range(100))
SERVERS: dict[str, type[DnsPeer]] = {"knot": Knot, "nsd": Nsd, "bind": Bind}
SIGNERS = ["knot", "bind"]


class Chain:
    """A primary, and a secondary as it is printed; each tells the next."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.secondary_at = f"127.0.0.1:{free_port()}"
        self.primary = Knot(
            ZONE,
            zone_text=ZONE_TEXT,
            transfer_keys=[KEY],
            notify=[Peer(self.secondary_at, KEY)],
        )
        self.running: list[DnsPeer] = []

    def start_primary(self) -> None:
        self.running.append(self.primary.__enter__())

    def start_secondary(self, name: str, *options: str) -> DnsPeer:
        server = SERVERS[name](ZONE, listen=self.secondary_at)
        server.configuration_text = self.printed(name, server, *options)
        self.running.append(server.__enter__())
        return server

    def printed(self, name: str, server: DnsPeer, *options: str) -> str:
        include = server.directory / "keys.conf"
        arguments = ["setup", name, "--zone", ZONE, "--primary", self.primary.listen]
        arguments += ["--key-file", self.saved(KEY), "--include", str(include)]
        arguments += ["--listen", self.secondary_at, "--directory", str(server.directory)]
        arguments += [*options, *(() if name == "bind" else ("--user", "root"))]
        for more, path in (("--keys-only", include), ("", None)):
            result = CliRunner().invoke(app, [*arguments, *([more] if more else [])])
            assert result.exit_code == 0, result.output
            if path is not None:
                path.write_text(result.output)
        return str(result.output)

    def saved(self, key: TsigKey) -> str:
        path = self.directory / key.name
        path.write_text(key.to_text())
        path.chmod(0o600)
        return str(path)

    def stop(self) -> None:
        for server in reversed(self.running):
            server.__exit__()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    skip_without("knotd", "knotc", "nsd", "named", "unbound")
    made = Chain(tmp_path)
    yield made
    made.stop()


def lists(server: DnsPeer, host: str) -> bool:
    answer = server.ask(f"{host}.{ZONE}")
    return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)


@pytest.mark.parametrize("name", SERVERS)
async def test_it_follows_the_primary_by_ixfr_and_outlives_it(name: str, chain: Chain) -> None:
    chain.start_primary()
    replica_key = chain.saved(REPLICA)
    secondary = chain.start_secondary(name, "--allow-transfer-key", replica_key)
    await secondary.wait_for_serial(10)
    chain.primary.change("set mail.beta.example 60 A 127.0.0.2", f"unset {HOST} A")
    # Within DESIGN's two seconds, with room for a machine that is busy with other tests.
    await secondary.wait_until(lambda: lists(secondary, "mail.beta.example"), seconds=5)
    wanted = records(chain.primary.transfer(KEY))
    await secondary.wait_until(lambda: records(secondary.transfer(REPLICA)) == wanted)
    assert not lists(secondary, HOST)
    await chain.primary.wait_for_log("IXFR, outgoing")
    changes = transfer_changes(secondary.listen, ZONE, 10, REPLICA).answer
    assert [rrset[0].serial for rrset in changes[:2]] == [11, 10]
    chain.primary.kill()
    assert lists(secondary, "mail.beta.example")


@pytest.mark.parametrize("name", ["knot", "bind"])
async def test_it_keeps_its_copy_through_a_crash_while_the_primary_is_gone(
    name: str, chain: Chain
) -> None:
    chain.start_primary()
    secondary = chain.start_secondary(name)
    await secondary.wait_for_serial(10)
    # BIND writes a new copy out in a moment; Knot has stored it before it serves it.
    file = secondary.directory / f"{ZONE}.zone"
    await secondary.wait_until(lambda: name == "knot" or file.exists())
    chain.primary.kill()
    secondary.kill()
    secondary.start()
    await secondary.wait_until(lambda: lists(secondary, HOST))


@pytest.mark.parametrize("name", SERVERS)
async def test_it_hands_the_zone_to_nobody_without_a_key(name: str, chain: Chain) -> None:
    chain.start_primary()
    secondary = chain.start_secondary(name)
    await secondary.wait_for_serial(10)
    for key in (None, KEY, STRANGER, REPLICA):
        with pytest.raises(REFUSED):
            secondary.transfer(key)
    assert secondary.ask("elsewhere.example").rcode() == dns.rcode.REFUSED
    assert not secondary.ask(ZONE, "SOA").flags & dns.flags.RA


@pytest.mark.parametrize("name", SERVERS)
async def test_it_tells_its_replicas_of_changes(name: str, chain: Chain) -> None:
    chain.start_primary()
    at = f"127.0.0.1:{free_port()}"
    options = ("--allow-transfer-key", chain.saved(REPLICA), "--notify", at)
    secondary = chain.start_secondary(name, *options)
    await secondary.wait_for_serial(10)
    replica = Knot(ZONE, listen=at, primaries=[Peer(secondary.listen, REPLICA)])
    chain.running.append(replica.__enter__())
    await replica.wait_for_serial(10)
    chain.primary.change("set mail.beta.example 60 A 127.0.0.2")
    await replica.wait_for_serial(11, seconds=10)
    wanted = records(chain.primary.transfer(KEY))
    await replica.wait_until(lambda: records(transfer(secondary.listen, ZONE, REPLICA)) == wanted)


@pytest.mark.parametrize("name", SIGNERS)
async def test_it_signs_on_the_way_and_a_resolver_validates(name: str, chain: Chain) -> None:
    chain.start_primary()
    options = ("--sign", "--allow-transfer-key", chain.saved(REPLICA))
    secondary = chain.start_secondary(name, *options)
    await secondary.wait_until(lambda: is_signed(secondary))
    chain.primary.change("set mail.beta.example 60 A 127.0.0.2")
    await secondary.wait_until(lambda: lists(secondary, "mail.beta.example"), seconds=5)
    # A DNSKEY or DS record in the parent zone, of the key signing key, is all that is needed.
    anchors = key_signing_keys(secondary.listen, ZONE)
    with Unbound({ZONE: secondary.listen}, trust_anchors=anchors) as resolver:
        for host, code in (
            ("mail.beta.example", dns.rcode.NOERROR),
            ("nobody.example", dns.rcode.NXDOMAIN),
        ):
            answer = resolver.ask(f"{host}.{ZONE}", dnssec=True)
            assert (answer.rcode(), bool(answer.flags & dns.flags.AD)) == (code, True)
    types = {line.split()[2] for line in records(secondary.transfer(REPLICA))}
    assert {"rrsig", "nsec", "dnskey"} <= types
    assert "nsec3" not in types


async def test_knot_makes_a_zone_digest_that_fits_the_signed_copy(chain: Chain) -> None:
    chain.start_primary()
    options = ("--sign", "--allow-transfer-key", chain.saved(REPLICA))
    secondary = chain.start_secondary("knot", *options)
    await secondary.wait_until(lambda: is_signed(secondary))
    secondary.transfer(REPLICA).verify_digest()
    chain.primary.change("set mail.beta.example 60 A 127.0.0.2")
    await secondary.wait_until(lambda: lists(secondary, "mail.beta.example"))
    secondary.transfer(REPLICA).verify_digest()


def is_signed(server: DnsPeer) -> bool:
    answer = server.ask(f"{HOST}.{ZONE}", dnssec=True)
    return len(answer.answer) == 2 and bool(key_signing_keys(server.listen, ZONE))


@pytest.mark.parametrize("name", SERVERS)
async def test_a_flood_is_cut_short_and_neither_dropped_nor_answered_no(
    name: str, chain: Chain
) -> None:
    chain.start_primary()
    secondary = chain.start_secondary(name, "--rate-limit", "10")
    await secondary.wait_until(lambda: lists(secondary, HOST))
    answers = [ask_over_udp(secondary) for _ in range(200)]
    assert sum(bool(answer.flags & dns.flags.TC) for answer in answers) > 100
    assert {answer.rcode() for answer in answers} == {dns.rcode.NOERROR}
    assert lists(secondary, HOST)
    # A client that has the server's cookie cannot be forged, and is not limited.
    cookie = server_cookie(ask_over_udp(secondary, bytes(range(8))))
    assert cookie
    answers = [ask_over_udp(secondary, cookie) for _ in range(200)]
    assert not any(answer.flags & dns.flags.TC for answer in answers)


def ask_over_udp(server: DnsPeer, cookie: bytes = b"") -> dns.message.Message:
    option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)
    query = dns.message.make_query(f"{HOST}.{ZONE}", "A", options=[option] if cookie else None)
    return dns.query.udp(query, server.address, 5, server.port)


def server_cookie(answer: dns.message.Message) -> bytes:
    for option in answer.options:
        if option.otype == dns.edns.OptionType.COOKIE:
            wire = option.to_wire()
            assert wire is not None
            return wire if len(wire) > 8 else b""
    return b""
