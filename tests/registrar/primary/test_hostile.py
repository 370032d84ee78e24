"""Many connections, slow ones, long ones, floods: others are answered all the same."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import dns.rcode
import pytest

from countersign.registrar.operations.office import Office
from countersign.registry.transfer.keys import TsigKey
from tests.registrar.primary.running import (
    Running,
    add_secondary,
    eventually,
    fill,
    real,
    running,
    serial_of,
)

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def known_key(primary: Running) -> TsigKey:
    _, key = await asyncio.to_thread(add_secondary, primary.office, "ns1")
    known = primary.primary._register.known
    await eventually(lambda: known().key(key.name) is not None, 2)
    return key


@pytest.fixture
async def primary(office: Office) -> AsyncIterator[Running]:
    settings = real(
        office, connections=20, idle_seconds=1, transfer_seconds=4, requests_per_second=30
    )
    async with running(settings) as made:
        yield made


async def connected(primary: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(primary.address, primary.port)


async def ended(reader: asyncio.StreamReader, seconds: float = 5) -> bytes:
    """Return all that comes before the other side closes the connection."""
    async with asyncio.timeout(seconds):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_thousand_connections_of_a_stranger_keep_nobody_out(primary: Running) -> None:
    key = await known_key(primary)
    writers = []
    for _ in range(300):
        _, writer = await connected(primary)
        writers.append(writer)
    assert len(primary.primary._serving._places) <= 20
    answer = await primary.ask("SOA", key, tcp=True)
    assert answer.rcode() == dns.rcode.NOERROR
    for writer in writers:
        writer.transport.abort()


async def test_a_question_that_comes_octet_by_octet_ends_with_its_time(primary: Running) -> None:
    reader, writer = await connected(primary)
    wire = primary.question("SOA", None).to_wire()
    ending = asyncio.create_task(ended(reader))
    sent, whole = 0, len(wire).to_bytes(2, "big") + wire
    for octet in whole:
        if ending.done():
            break
        writer.write(bytes([octet]))
        sent += 1
        await asyncio.sleep(0.1)
    assert await ending == b""
    assert 1 < sent < len(whole)
    writer.close()


async def test_a_connection_without_a_question_is_closed(primary: Running) -> None:
    key = await known_key(primary)
    reader, writer = await connected(primary)
    wire = primary.question("SOA", key).to_wire()
    for _ in range(3):
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        await reader.readexactly(size)
        await asyncio.sleep(0.6)
    assert await ended(reader) == b""
    writer.close()


@pytest.mark.parametrize("size", [0, 5000, 65535])
async def test_what_is_too_long_or_empty_is_not_read(primary: Running, size: int) -> None:
    reader, writer = await connected(primary)
    writer.write(size.to_bytes(2, "big") + bytes(min(size, 4000)))
    assert await ended(reader) == b""
    writer.close()


async def test_bad_questions_end_a_connection(primary: Running) -> None:
    reader, writer = await connected(primary)
    wire = primary.question("AXFR", None).to_wire()
    writer.write((len(wire).to_bytes(2, "big") + wire) * 10)
    answers = await ended(reader)
    count = 0
    while answers:
        size = int.from_bytes(answers[:2], "big")
        assert size <= len(wire)
        answers, count = answers[2 + size :], count + 1
    assert count == 3
    writer.close()


async def test_a_flood_of_datagrams_is_answered_so_often_only(primary: Running) -> None:
    wire = primary.question("SOA", None).to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.2", 0))
        sock.connect((primary.address, primary.port))
        sock.setblocking(False)
        answers = 0
        began = time.monotonic()
        while time.monotonic() - began < 1:
            for _ in range(20):
                sock.send(wire)
            await asyncio.sleep(0.005)
            try:
                while sock.recv(4096):
                    answers += 1
            except BlockingIOError:
                continue
        spent = time.monotonic() - began
    assert 30 <= answers <= 30 + 30 * spent + 6
    key = await known_key(primary)
    # Neither others, nor connections from the same address, suffer from it.
    assert (await primary.ask("SOA", key)).rcode() == dns.rcode.NOERROR
    assert (await primary.ask("SOA", key, tcp=True)).rcode() == dns.rcode.NOERROR


async def test_questions_over_tcp_wait_for_their_turn(primary: Running) -> None:
    key = await known_key(primary)
    reader, writer = await connected(primary)
    wire = primary.question("SOA", key).to_wire()
    began = time.monotonic()
    writer.write((len(wire).to_bytes(2, "big") + wire) * 60)
    for _ in range(60):
        size = int.from_bytes(await reader.readexactly(2), "big")
        await reader.readexactly(size)
    assert time.monotonic() - began > 0.8
    writer.close()


@pytest.mark.parametrize("pace", [0, 2000])
async def test_who_takes_nothing_is_left_and_who_takes_too_long_too(
    office: Office, pace: int
) -> None:
    settings = real(office, idle_seconds=1, transfer_seconds=4 if pace else 100)
    fill(settings, 30_000)
    async with running(settings) as primary:
        key = await known_key(primary)
        wire = primary.question("AXFR", key).to_wire()
        aborted = {"kind": "axfr", "outcome": "aborted"}
        value = primary.metrics.registry.get_sample_value
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect((primary.address, primary.port))
            sock.setblocking(False)
            sock.send(len(wire).to_bytes(2, "big") + wire)
            began = time.monotonic()
            while not value("countersign_primary_transfers_total", aborted):
                assert time.monotonic() - began < 60
                if pace:
                    with contextlib.suppress(OSError):
                        sock.recv(pace)
                await asyncio.sleep(0.01)
            took = time.monotonic() - began
        if pace:
            assert took > 3.5, "transfer_seconds"
        else:
            assert 0.9 < took < 60, "idle_seconds"
        # Its place and its snapshot are free again.
        await eventually(lambda: len(primary.primary._serving._places) == 0)
        turns = primary.primary._serving._desk.transfers._turns
        assert turns._value == settings.config.primary.transfers
        reader, writer = await connected(primary)
        writer.write(len(wire).to_bytes(2, "big") + wire)
        await take_all(reader, 1, 30_000 * 3)
        writer.close()


@pytest.mark.slow
async def test_others_are_answered_while_a_zone_is_sent(office: Office) -> None:
    settings = real(office, requests_per_second=10_000)
    fill(settings, 20_000)
    async with running(settings) as primary:
        key = await known_key(primary)
        reader, writer = await connected(primary)
        wire = primary.question("AXFR", key).to_wire()
        writer.write((len(wire).to_bytes(2, "big") + wire) * 20)
        done = asyncio.create_task(take_all(reader, 20, 20_000 * 3))
        waits = []
        while not done.done():
            began = time.monotonic()
            await primary.ask("SOA", key)
            waits.append(time.monotonic() - began)
        await done
        writer.close()
        assert len(waits) > 10
        assert max(waits) < 0.5


async def take_all(reader: asyncio.StreamReader, zones: int, records: int) -> None:
    taken = 0
    while taken < zones * records:
        size = int.from_bytes(await reader.readexactly(2), "big")
        message = await reader.readexactly(size)
        taken += int.from_bytes(message[6:8], "big")


async def test_only_so_many_whole_zones_are_sent_at_a_time(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countersign.registrar.primary.transferring._WAIT_SECONDS", 0.3)
    async with running(real(office, transfers=1)) as primary:
        key = await known_key(primary)
        turns = primary.primary._serving._desk.transfers._turns
        await turns.acquire()
        answer = await primary.ask("AXFR", key, tcp=True)
        assert answer.rcode() == dns.rcode.SERVFAIL
        turns.release()
        assert serial_of(await primary.transfer(key)) == primary.serial
