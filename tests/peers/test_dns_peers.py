"""Real DNS servers as the harness runs them: secondaries, signers, a resolver, a name list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.rcode
import pytest

from countersign.registry.transfer.keys import TsigKey
from tests.gateway.world import free_port
from tests.peers.bind import Bind
from tests.peers.dns_peer import DnsPeer, Peer, skip_without
from tests.peers.dns_questions import REFUSED, key_signing_keys, records, transfer_changes
from tests.peers.knot import Knot
from tests.peers.nsd import Nsd
from tests.peers.rbldnsd import Rbldnsd
from tests.peers.unbound import Unbound

pytestmark = pytest.mark.peer

ZONE = "list.example"
KEY = TsigKey.generate("secondary.example", "hmac-sha512")
REPLICA = TsigKey.generate("replica.example")
ZONE_TEXT = f"""\
$ORIGIN {ZONE}.
$TTL 60
@ SOA ns.example. hostmaster.example. 10 3600 600 86400 60
@ NS ns.example.
mail.alpha.example A 127.0.0.2
mail.alpha.example TXT "v=countersign1"
"""


@contextmanager
def primary(*notify: Peer) -> Iterator[Knot]:
    skip_without("knotd", "knotc")
    with Knot(ZONE, zone_text=ZONE_TEXT, transfer_keys=[KEY], notify=notify) as knot:
        yield knot


def lists(server: DnsPeer, host: str) -> bool:
    answer = server.ask(f"{host}.{ZONE}", dnssec=True)
    return answer.rcode() == dns.rcode.NOERROR and bool(answer.answer)


@pytest.mark.parametrize("kind", [Knot, Nsd, Bind])
async def test_a_secondary_follows_notify_and_outlives_its_own_crash_and_the_primary(
    kind: type[DnsPeer],
) -> None:
    skip_without(kind.program)
    listen = f"127.0.0.1:{free_port()}"
    with primary(Peer(listen, KEY)) as knot:
        peers = [Peer(knot.listen, KEY)]
        with kind(ZONE, primaries=peers, listen=listen, transfer_keys=[REPLICA]) as server:
            await server.wait_for_serial(10)
            knot.change("set mail.beta.example 60 A 127.0.0.2")
            await server.wait_for_serial(11)
            wanted = records(knot.transfer(KEY))
            await server.wait_until(lambda: records(server.transfer(REPLICA)) == wanted)
            # What came as a difference is given onward as a difference: from serial 10 to 11.
            soas = transfer_changes(listen, ZONE, 10, REPLICA).answer[:2]
            assert [rrset[0].serial for rrset in soas] == [11, 10]
            with pytest.raises(REFUSED):
                server.transfer(KEY)
            server.kill()
            server.start()
            await server.wait_until(lambda: lists(server, "mail.beta.example"))
            knot.kill()
            await server.wait_until(lambda: lists(server, "mail.beta.example"))


@pytest.mark.parametrize("kind", [Knot, Bind])
async def test_a_server_that_signs_on_the_way_is_validated_by_a_resolver(
    kind: type[DnsPeer],
) -> None:
    skip_without(kind.program, "unbound")
    with (
        primary() as knot,
        kind(ZONE, primaries=[Peer(knot.listen, KEY)], sign=True) as server,
    ):
        await server.wait_until(lambda: bool(key_signing_keys(server.listen, ZONE)))
        anchors = key_signing_keys(server.listen, ZONE)
        with Unbound({ZONE: server.listen}, trust_anchors=anchors) as resolver:
            for host, code in (
                ("mail.alpha.example", dns.rcode.NOERROR),
                ("nobody.example", dns.rcode.NXDOMAIN),
            ):
                answer = resolver.ask(f"{host}.{ZONE}", dnssec=True)
                assert (answer.rcode(), bool(answer.flags & dns.flags.AD)) == (code, True)
        with Unbound({ZONE: knot.listen}, trust_anchors=anchors) as resolver:
            answer = resolver.ask(f"mail.alpha.example.{ZONE}", dnssec=True)
            assert answer.rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize(
    ("kind", "words"), [(Knot, "'BADTIME'"), (Nsd, "Bad Time"), (Bind, "clocks are unsynchronized")]
)
async def test_a_server_whose_clock_is_wrong_gets_nothing_with_its_key(
    kind: type[DnsPeer], words: str
) -> None:
    skip_without("knotd", "faketime", kind.program)
    # BIND's allocator and faketime do not bear each other: there the primary's clock is wrong.
    wrong, right = ("", "+3600s") if kind is Bind else ("+3600s", "")
    with (
        Knot(ZONE, zone_text=ZONE_TEXT, transfer_keys=[KEY], clock=right) as knot,
        kind(ZONE, primaries=[Peer(knot.listen, KEY)], clock=wrong) as server,
    ):
        await server.wait_for_log(words)
        assert server.serial() is None


def test_a_name_list_is_served_by_rbldnsd() -> None:
    skip_without("rbldnsd")
    with Rbldnsd(ZONE, {"dnset": ":127.0.0.2:registered\nmail.alpha.example\n"}) as server:
        assert lists(server, "mail.alpha.example")
        assert not lists(server, "mail.beta.example")
