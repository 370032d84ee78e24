"""Zones of Knot, NSD and BIND, as our reader takes them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast

import pytest
from dns.rcode import Rcode

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import acknowledge
from countersign.registry.transfer.asking import (
    TransferError,
    make_notify,
    make_question,
    read_acknowledgement,
    read_soa_answer,
)
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import Question, read_question
from countersign.registry.transfer.receiving import (
    End,
    Event,
    Step,
    TransferReader,
    UpToDate,
    Whole,
)
from countersign.registry.transfer.signature import Fault, TsigError
from countersign.registry.zone.digest import SHA384, SIMPLE, claimed_digest, simple_digest
from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import make_node
from tests.gateway.world import free_port
from tests.peers.bind import Bind
from tests.peers.dns_peer import DnsPeer, Peer, skip_without
from tests.peers.knot import Knot
from tests.peers.nsd import Nsd
from tests.registry.transfer.zones import ZONE, Nodes, applied, foreign_records, read_all

pytestmark = pytest.mark.peer

KEY = TsigKey.generate("Replica.example", "hmac-sha512")
UPSTREAM = TsigKey.generate("secondary.example")
NAMES = 3000
"""Enough for several messages."""
ZONE_TEXT = """\
$ORIGIN list.example.
$TTL 60
@ SOA NS.Example. host\\.master.Example. 10 3600 600 86400 60
@ NS NS.Example.
@ NS b.ns.list.example.
b.ns A 192.0.2.1
b.ns AAAA 2001:db8::1
@ MX 10 Mail.Alpha.Example.list.example.
Mail.Alpha.Example A 127.0.0.2
mail.alpha.example TXT "v=Countersign1"
_25._tcp.mail.alpha.example TLSA 3 1 0 0123456789abcdef
alias CNAME MAIL.alpha.example
_s._tcp SRV 1 2 3 Mail.alpha.example
*.wild.deep.er TXT "x" "y"
a\\.b\\032c TXT "dots and spaces"
ptr PTR MAIL.elsewhere.Example.
x NAPTR 1 2 "S" "A+b" "" Mail
x CAA 0 issue "CA.example"
x TYPE65400 \\# 3 c00c00
""" + "".join(
    f'h{number}.org.example A 127.0.0.2\nh{number}.org.example TXT "v=countersign1"\n'
    for number in range(NAMES)
)


@contextmanager
def served(
    kind: type[DnsPeer], *, sign: bool = False, notify: Sequence[Peer] = ()
) -> Iterator[tuple[Knot, DnsPeer]]:
    """A Knot that can be changed, and a server that has its zone (maybe the same).

    notify: whom the server tells of changes.
    """
    skip_without("knotd", "knotc", kind.program)
    listen = f"127.0.0.1:{free_port()}"
    is_knot = kind is Knot
    with Knot(
        "list.example",
        zone_text=ZONE_TEXT,
        transfer_keys=[KEY, UPSTREAM],
        notify=notify if is_knot else [Peer(listen, UPSTREAM)],
        sign=sign,
    ) as knot:
        if is_knot:
            yield knot, knot
            return
        upstream = [Peer(knot.listen, UPSTREAM)]
        with kind(
            "list.example",
            primaries=upstream,
            listen=listen,
            transfer_keys=[KEY],
            notify=notify,
        ) as server:
            yield knot, server


def messages(server: DnsPeer, question: bytes) -> Iterator[bytes]:
    """What a server sends over TCP, until it or we have enough."""
    with socket.create_connection((server.address, server.port), timeout=10) as connection:
        connection.sendall(len(question).to_bytes(2) + question)
        with connection.makefile("rb") as stream, suppress(TimeoutError):
            while length := stream.read(2):
                yield stream.read(int.from_bytes(length))


def transferred(
    server: DnsPeer, kind: int = wire.AXFR, serial: int | None = None, key: TsigKey = KEY
) -> list[Event]:
    """All events of one transfer."""
    question, verifier = make_question(kind, ZONE, serial, key, message_id=99, now=time.time())
    reader = TransferReader(ZONE, kind, serial, message_id=99, verifier=verifier)
    events: list[Event] = []
    for message in messages(server, question):
        events += reader.feed(message, time.time())
        if reader.is_done:
            break
    assert reader.is_done
    return events


def nodes_of(records: set[tuple[bytes, bytes]]) -> Nodes:
    nodes: dict[bytes, list[bytes]] = {}
    for key, one in records:
        nodes.setdefault(key, []).append(one)
    return {key: make_node(nodes[key]) for key in sorted(nodes)}


@pytest.mark.parametrize("kind", [Knot, Nsd, Bind])
async def test_a_zone_comes_whole_and_then_step_by_step(kind: type[DnsPeer]) -> None:
    with served(kind) as (knot, server):
        await server.wait_for_serial(10)
        events = transferred(server)
        assert (events[0], events[-1]) == (Whole(10), End(10))
        whole = nodes_of(applied({}, events))
        assert len(whole) > NAMES
        assert applied({}, events) == foreign_records(server.transfer(KEY))

        knot.change("set new.example 60 A 127.0.0.2", 'set new.example 60 TXT "new"')
        await server.wait_for_serial(11)
        knot.change("unset h1.org.example", "unset h2.org.example TXT")
        await server.wait_for_serial(12)
        events = transferred(server, wire.IXFR, 10)
        steps = [event for event in events if isinstance(event, Step)]
        assert steps[0].old_serial == 10
        assert steps[-1].new_serial == 12
        assert applied(whole, events) == applied({}, transferred(server))

        assert transferred(server, wire.IXFR, 12) == [UpToDate(12)]
        # What the server knows no steps from comes whole.
        events = transferred(server, wire.IXFR, 3)
        assert events[0] == Whole(12)


async def test_a_signed_zone_comes_as_its_own_digest_says() -> None:
    with served(Knot, sign=True) as (knot, _):
        serial = await knot.wait_for_serial(10)
        events = transferred(knot)
        nodes = nodes_of(applied({}, events))
        kinds = {one[:2] for _, one in applied({}, events)}
        assert {(46).to_bytes(2), (47).to_bytes(2), (48).to_bytes(2)} <= kinds
        claimed = claimed_digest(nodes[APEX], serial, SIMPLE, SHA384)
        assert claimed is not None
        assert simple_digest(ZONE, nodes.items()) == claimed

        knot.change("set new.example 60 A 127.0.0.2")
        later = await knot.wait_for_serial(serial + 1)
        nodes = nodes_of(applied(nodes, transferred(knot, wire.IXFR, serial)))
        claimed = claimed_digest(nodes[APEX], later, SIMPLE, SHA384)
        assert simple_digest(ZONE, nodes.items()) == claimed


@pytest.mark.parametrize("kind", [Knot, Nsd, Bind])
async def test_servers_answer_our_soa_question_and_our_notify(kind: type[DnsPeer]) -> None:
    with served(kind) as (knot, server):
        await server.wait_for_serial(10)
        asked = make_question(wire.SOA, ZONE, None, KEY, message_id=1, now=time.time())
        answer = next(messages(server, asked[0]))
        found = read_soa_answer(asked[0], answer, asked[1], time.time())
        assert (found.serial, found.refresh, found.retry) == (10, 3600, 600)
        assert (found.expire, found.negative_ttl) == (86400, 60)
        assert found.left is None or 0 < found.left <= 86400
        if server is knot:
            return
        told = make_notify(ZONE, found.soa, UPSTREAM, message_id=2, now=time.time())
        answer = next(messages(server, told[0]))
        read_acknowledgement(told[0], answer, told[1], time.time())


@pytest.mark.parametrize("kind", [Knot, Nsd, Bind])
async def test_the_notify_of_servers_is_understood(kind: type[DnsPeer]) -> None:
    questions: asyncio.Queue[Question] = asyncio.Queue()

    def answer(message: bytes) -> bytes:
        question = read_question(message, {KEY.name: KEY}.get, time.time())
        questions.put_nowait(question)
        return acknowledge(question, time.time())

    async with listening(answer) as endpoint:
        with served(kind, notify=[Peer(endpoint, KEY)]) as (knot, server):
            await server.wait_for_serial(10)
            knot.change("set new.example 60 A 127.0.0.2")
            serial: int | None = None
            while serial != 11:
                question = await asyncio.wait_for(questions.get(), 20)
                assert (question.opcode, question.kind) == (wire.NOTIFY, wire.SOA)
                assert (question.name, question.key) == (ZONE, KEY)
                serial = question.serial
                assert serial in (10, 11)


@asynccontextmanager
async def listening(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """Answer over UDP and TCP: Knot sends NOTIFY over TCP, the others over UDP."""

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(answer(data), addr)

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        made = answer(message)
        writer.write(len(made).to_bytes(2) + made)
        await writer.drain()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(on_connection, "127.0.0.1", port)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", port)
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        transport.close()
        server.close()


@pytest.mark.parametrize("kind", [Knot, Nsd, Bind])
async def test_servers_say_what_they_do_not_like(kind: type[DnsPeer]) -> None:
    stranger = TsigKey("stranger.example", KEY.algorithm, KEY.secret)
    forger = TsigKey(KEY.name, KEY.algorithm, bytes(64))
    with served(kind) as (_, server):
        await server.wait_for_serial(10)
        for key, error in ((stranger, Fault.BADKEY), (forger, Fault.BADSIG)):
            with pytest.raises(TsigError, match="the other side says") as caught:
                transferred(server, key=key)
            assert caught.value.error is error
        late, verifier = make_question(
            wire.SOA, ZONE, None, KEY, message_id=1, now=time.time() - 1000
        )
        with pytest.raises(TsigError) as caught:
            read_soa_answer(late, next(messages(server, late)), verifier, time.time())
        assert (caught.value.error, caught.value.by_peer) == (Fault.BADTIME, True)
        bare, verifier = make_question(wire.AXFR, ZONE, None, None, message_id=1, now=time.time())
        reader = TransferReader(ZONE, wire.AXFR, None, message_id=1, verifier=verifier)
        with pytest.raises(TransferError) as refused:
            read_all(reader, messages(server, bare))
        assert refused.value.rcode in (Rcode.REFUSED, Rcode.NOTAUTH)
