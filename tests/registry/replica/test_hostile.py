"""What strangers and broken primaries send: any octets at all."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.registry.copy.meta import DOUBTED
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.keeper import Keeper
from countersign.registry.replica.line import Bounds, Line, Stopper
from countersign.registry.replica.notify import MAX_PER_SECOND, NotifyListener
from countersign.registry.transfer.asking import make_notify
from countersign.registry.transfer.keys import TsigKey
from tests.registry.replica.running import KEY, configured, primary, replica
from tests.registry.replica.zones import NAME, WIRE, Zone

PRIMARY = "192.0.2.1"
SOA = Zone().soa


class Heard:
    """A listener that listens nowhere, and what it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int | None]] = []
        self.outcomes: list[str] = []
        self.listener = NotifyListener(
            WIRE,
            KEY,
            [PRIMARY],
            lambda address, serial: self.taken.append((address, serial)),
            self.outcomes.append,
        )


def notify(key: TsigKey | None = KEY, zone: bytes = WIRE) -> bytes:
    return make_notify(zone, SOA, key, message_id=7, now=time.time())[0]


@given(st.binary(max_size=600))
def test_any_octets_are_dropped_or_refused(octets: bytes) -> None:
    heard = Heard()
    answer = heard.listener.answer(octets, PRIMARY)
    assert answer is None or int.from_bytes(answer[2:4], "big") & 15 != 0
    assert not heard.taken


@given(st.data())
def test_a_notify_with_any_octet_changed_is_not_taken(data: st.DataObject) -> None:
    message = bytearray(notify())
    # The identifier is not signed: whoever forwards a message may change it (RFC 8945 §5.3).
    place = data.draw(st.integers(2, len(message) - 1))
    before = message[place]
    message[place] = data.draw(st.integers(0, 255).filter(lambda value: value != before))
    heard = Heard()
    heard.listener.answer(bytes(message), PRIMARY)
    if bytes(message).lower() != notify().lower():
        assert not heard.taken


@given(st.data())
def test_a_notify_that_is_cut_off_anywhere_is_not_taken(data: st.DataObject) -> None:
    message = notify()
    heard = Heard()
    heard.listener.answer(message[: data.draw(st.integers(0, len(message) - 1))], PRIMARY)
    assert not heard.taken


@pytest.mark.parametrize(
    ("make", "address", "outcome"),
    [
        (notify, PRIMARY, "taken"),
        (notify, f"::ffff:{PRIMARY}", "taken"),
        (partial(notify, None), PRIMARY, "bad"),
        (partial(notify, TsigKey.generate(KEY.name)), PRIMARY, "bad"),
        (notify, "192.0.2.2", "stranger"),
        (partial(notify, zone=b"\x05other\x07example\0"), PRIMARY, "other-zone"),
    ],
)
def test_only_a_primary_with_our_key_is_heard(
    make: Callable[[], bytes], address: str, outcome: str
) -> None:
    heard = Heard()
    # Made now, for what was signed long ago is refused.
    heard.listener.answer(make(), address)
    assert heard.outcomes == [outcome]
    assert bool(heard.taken) == (outcome == "taken")


def test_a_flood_of_notifies_costs_little() -> None:
    heard = Heard()
    for _ in range(3 * MAX_PER_SECOND):
        heard.listener.answer(notify(None), PRIMARY)
    assert heard.outcomes.count("too-many") >= MAX_PER_SECOND - 1


class Octets:
    """A server that answers any question with the given octets."""

    def __init__(self, octets: bytes, pause: float = 0.0) -> None:
        self.octets = octets
        self.pause = pause

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.read(1000)
            for octet in self.octets if self.pause else [self.octets]:
                writer.write(bytes((octet,)) if isinstance(octet, int) else octet)
                await writer.drain()
                await asyncio.sleep(self.pause)
        writer.close()


async def received(octets: bytes, bounds: Bounds, pause: float = 0.0) -> list[bytes]:
    """The messages that a line gives; raises what it raises."""
    server = await asyncio.start_server(Octets(octets, pause).serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    messages: list[bytes] = []

    def read() -> None:
        with Line(f"127.0.0.1:{port}", "", bounds, Stopper()) as line:
            line.send(b"question")
            messages.extend(line.messages())

    try:
        await asyncio.to_thread(read)
    except ReplicaError as error:
        assert error.fault is Fault.UNREACHABLE or bounds.seconds < 1 or bounds.octets < 1000
        if error.fault is not Fault.UNREACHABLE:
            raise
    finally:
        server.close()
    return messages


async def test_messages_come_whole_however_they_are_cut() -> None:
    chance = random.Random(3)
    sent = [chance.randbytes(chance.choice((0, 1, 2, 300, 65535))) for _ in range(12)]
    stream = b"".join(len(one).to_bytes(2, "big") + one for one in sent)
    assert await received(stream, Bounds(30, 5, 1 << 30)) == sent
    # What is cut off is no message.
    assert await received(stream[:-1], Bounds(30, 5, 1 << 30)) == sent[:-1]


async def test_octets_that_drip_are_given_up_in_time() -> None:
    started = time.monotonic()
    with pytest.raises(ReplicaError, match="transfer_timeout"):
        await received(bytes(1000), Bounds(0.5, 5, 1 << 30), pause=0.05)
    assert time.monotonic() - started < 30


async def test_octets_without_end_are_given_up() -> None:
    with pytest.raises(ReplicaError, match="max_octets"):
        await received(b"\xff" * 100_000, Bounds(30, 5, 999))


async def test_a_server_that_sends_rubbish_changes_nothing(tmp_path: Path) -> None:
    zone = Zone()
    chance = random.Random(5)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        before = kept.nodes()
        made = source._messages

        def spoilt(question: object) -> Iterator[bytes]:
            for message in made(question):  # type: ignore[arg-type]
                octets = bytearray(message)
                for _ in range(chance.randrange(1, 4)):
                    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
                yield bytes(octets)

        source._messages = spoilt  # type: ignore[method-assign,assignment]
        zone.register("new.example.net")
        await kept.until(lambda: len(source.transfers) > 12, 30)
        assert kept.nodes() == before
        source._messages = made  # type: ignore[method-assign]
        await kept.until_equal(zone)


async def test_doubt_of_a_copy_outlives_the_process(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint])
        async with replica(config) as kept:
            await kept.until_equal(zone)
        keeper = Keeper(config, KEY, Stopper())
        keeper.doubt()
        keeper.close()
        with ZoneCopy.open(config.directory, writable=False) as copy:
            meta = copy.meta()
            assert meta is not None
            assert (meta.zone, meta.checked_at) == (NAME, DOUBTED)
        async with replica(config) as kept:
            await kept.until(lambda: source.transfers == ["axfr", "axfr"])
            await kept.until(lambda: (kept.meta() or meta).checked_at > 0)
