"""Many, slow and hostile clients: bounded time and memory (DESIGN §3.8)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from countersign.storage.local import LocalTables
from countersign.storage.tables import Block
from countersign.transport.conversation import connect
from tests.faults.test_kill import send
from tests.gateway.process import GatewayProcess, maildir_gateway
from tests.gateway.world import World, client_of, fresh_address

IDLE = 5000


def resident_octets(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


async def open_idle(gateway: GatewayProcess, count: int) -> list[asyncio.StreamWriter]:
    writers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(gateway.address, gateway.port)
        assert (await reader.readline()).startswith(b"220")
        writers.append(writer)
    return writers


@pytest.mark.slow
async def test_five_thousand_idle_connections_hold_no_mail_up(tmp_path: Path) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    async with maildir_gateway(tmp_path, workers=1) as gateway:
        [worker] = gateway.workers()
        before = resident_octets(worker)
        writers = await open_idle(gateway, IDLE)
        per_connection = (resident_octets(worker) - before) / IDLE
        assert per_connection < 50_000, f"{per_connection:.0f} octets for an idle connection"
        assert await send(gateway, 1, 50)
        for writer in writers:
            writer.close()


async def test_a_slow_client_is_cut_off(tmp_path: Path) -> None:
    """Slowloris: a client that is not verified has so many seconds in all."""
    limits = "unverified_timeout = 2\n"
    async with maildir_gateway(tmp_path, workers=1, receiving=limits) as gateway:
        reader, writer = await asyncio.open_connection(gateway.address, gateway.port)
        started = time.monotonic()

        async def drip() -> None:
            for octet in b"EHLO slow.example" * 100:
                writer.write(bytes([octet]))
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        text = await reader.read(-1)
        dripping.cancel()
        assert b"421 4.4.2" in text
        assert time.monotonic() - started < 10


async def test_a_hundred_thousand_blocks_cost_a_connection_nothing(tmp_path: Path) -> None:
    tables = LocalTables(tmp_path)
    now = time.time()
    for number in range(100_000):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        block = Block(address, "mail.claimed.example", "false", now, now + 86400)
        await tables.block(block)
    started = time.perf_counter()
    for number in range(0, 100_000, 100):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        assert len(await tables.blocks_of(address, now)) == 1
    full = (time.perf_counter() - started) / 1000
    empty_tables = LocalTables(tmp_path / "empty")
    started = time.perf_counter()
    for _ in range(1000):
        assert await empty_tables.blocks_of("192.0.2.1", now) == []
    empty = (time.perf_counter() - started) / 1000
    assert full < empty * 20, f"{full * 1e6:.1f} µs against {empty * 1e6:.1f} µs"
    assert len(await tables.list_blocks(now, 10)) == 10
    assert await tables.sweep(now + 90000) > 0
    await tables.aclose()
    await empty_tables.aclose()


async def test_too_many_connections_are_told_so(world: World) -> None:
    beta = await world.gateway("beta.example", receiving={"max_connections_per_network": 2})
    source = fresh_address()
    async with client_of(beta, source=source), client_of(beta, source=source):
        third = await connect(
            beta.address, world.port, local_address=source, timeout=5, reply_timeout=5
        )
        greeting = await third.greeting()
        assert (greeting.code, greeting.enhanced) == (421, "4.7.0")
    greeting = None
    async with asyncio.timeout(10):
        # The ends of the two reach the gateway in their own time.
        while greeting is None or greeting.code != 220:
            later = await connect(
                beta.address, world.port, local_address=source, timeout=5, reply_timeout=5
            )
            greeting = await later.greeting()
            later.stream.abort()


async def test_an_endless_line_ends_the_connection(world: World) -> None:
    beta = await world.gateway("beta.example")
    reader, writer = await asyncio.open_connection(beta.address, world.port)
    await reader.readline()
    writer.write(b"x" * 100_000)
    assert (await reader.readline()).startswith(b"500 5.5.2")
    assert await reader.read(-1) == b""
