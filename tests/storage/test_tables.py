"""The shared tables, on LMDB and on a real Valkey or Redis: the same behaviour."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from countersign.storage.local import LocalTables
from countersign.storage.tables import (
    Block,
    OpenSession,
    Suspension,
    SuspensionKind,
    Tables,
    TablesUnavailableError,
)
from countersign.storage.valkey import ValkeyTables
from tests.gateway.world import free_port

LEASE = 1.0
OWNER = """
import asyncio, sys, time
from countersign.storage.local import LocalTables
from countersign.storage.valkey import ValkeyTables
from countersign.storage.tables import OpenSession
from pathlib import Path

async def main(where):
    valkey = where.startswith("redis://")
    tables = ValkeyTables(where, lease=1.0) if valkey else LocalTables(Path(where))
    await tables.open_session(OpenSession("of-another", "192.0.2.1", "mx.example", time.time()))
    print("open", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def valkey_url() -> Iterator[str]:
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no valkey-server or redis-server (.ci/install-packages)")
        pytest.skip("no valkey-server or redis-server (.ci/install-packages)")
    port = free_port()
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    for line in server.stdout:
        if "Ready to accept connections" in line:
            break
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


@pytest.fixture(params=["local", "valkey"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("valkey_url") if request.param == "valkey" else str(tmp_path)


@pytest.fixture
async def tables(where: str) -> AsyncIterator[Tables]:
    made = open_at(where)
    yield made
    await made.aclose()


def open_at(where: str) -> Tables:
    return ValkeyTables(where, lease=LEASE) if "://" in where else LocalTables(Path(where))


def session(name: str) -> OpenSession:
    return OpenSession(name, "192.0.2.1", "mx.example", 1.5)


async def test_a_row_lives_from_open_to_close(tables: Tables) -> None:
    assert await tables.find_session("one") is None
    await tables.open_session(session("one"))
    assert await tables.find_session("one") == session("one")
    await tables.close_session("one")
    await tables.close_session("one")
    assert await tables.find_session("one") is None


async def test_a_row_is_asked_once_whoever_asks(tables: Tables, where: str) -> None:
    await tables.open_session(session("once"))
    # LMDB can be opened once in a process; its other processes are tested below.
    other = tables if isinstance(tables, LocalTables) else open_at(where)
    won = await asyncio.gather(
        *(one.mark_asked("once") for one in (tables, other) for _ in range(10))
    )
    assert sum(won) == 1
    found = await tables.find_session("once")
    assert found is not None
    assert found.asked
    assert not await tables.mark_asked("absent")
    await tables.close_session("once")
    if other is not tables:
        await other.aclose()


async def test_rows_die_with_their_process_by_kill_9(tables: Tables, where: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, where], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    assert await tables.find_session("of-another") is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    if isinstance(tables, LocalTables):
        assert await tables.find_session("of-another") is None, "at once"
    async with asyncio.timeout(LEASE * 5):
        while await tables.find_session("of-another") is not None:
            await asyncio.sleep(0.05)
    assert not await tables.mark_asked("of-another")
    assert await tables.sweep(time.time()) >= 1


async def test_own_rows_are_gone_after_close(where: str) -> None:
    first = open_at(where)
    await first.open_session(session("mine"))
    await first.aclose()
    second = open_at(where)
    assert await second.find_session("mine") is None
    await second.aclose()


async def test_suspensions_end_and_a_strict_one_stays_strict(tables: Tables) -> None:
    now = time.time()
    strict = Suspension(SuspensionKind.WRONG_ID, now + 60)
    await tables.suspend("192.0.2.9", strict)
    await tables.suspend("192.0.2.9", Suspension(SuspensionKind.ANSWERED, now + 60))
    assert await tables.suspension("192.0.2.9", now) == strict
    assert await tables.suspension("192.0.2.9", now + 61) is None
    assert await tables.suspension("192.0.2.10", now) is None
    mild = Suspension(SuspensionKind.ANSWERED, now + 5)
    await tables.suspend("192.0.2.11", mild)
    assert await tables.suspension("192.0.2.11", now) == mild


async def test_blocks_by_network_and_claimed_host(tables: Tables) -> None:
    now = time.time()
    blocks = [Block("198.51.100.1", f"h{n}.example", "false", now + n, now + 60) for n in range(3)]
    for block in blocks:
        await tables.block(block)
    found = await tables.blocks_of("198.51.100.1", now)
    assert sorted(found, key=lambda block: block.since) == blocks
    assert await tables.blocks_of("198.51.100.10", now) == []
    assert await tables.blocks_of("198.51.100.1", now + 61) == []
    assert (await tables.list_blocks(now, 2)) == blocks[:0:-1]
    assert await tables.unblock("198.51.100.1", "h1.example") == 1
    assert await tables.unblock("198.51.100.1", "h1.example") == 0
    assert await tables.unblock("198.51.100.1") == 2
    assert await tables.list_blocks(now) == []


async def test_counters_start_anew_with_each_window(tables: Tables) -> None:
    start = 1_000_000.0 * 60
    counts = [await tables.count("c", 60, start + second) for second in (0, 1, 59, 60)]
    assert counts == [1, 2, 3, 1]


async def test_a_store_out_of_reach_says_so() -> None:
    tables = ValkeyTables(f"redis://127.0.0.1:{free_port()}/0", timeout=0.5)
    with pytest.raises(TablesUnavailableError):
        await tables.open_session(session("x"))
    with pytest.raises(TablesUnavailableError):
        await tables.blocks_of("192.0.2.1", 0)
    await tables.aclose()


async def test_a_writer_killed_in_the_middle_leaves_the_store_whole(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from countersign.storage.local import LocalTables
from countersign.storage.tables import Block
async def main():
    tables = LocalTables(Path(sys.argv[1])); print("go", flush=True)
    while True:
        for n in range(1000):
            await tables.block(Block(f"10.0.0.{n % 250}", "h.example", "x" * 50, 1.0, 2e9))
asyncio.run(main())
"""
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        await asyncio.sleep(0.02)
        process.kill()
        process.wait()
        tables = LocalTables(tmp_path)
        await tables.block(Block("192.0.2.1", "h.example", "after", 1.0, 2e9))
        assert [block.reason for block in await tables.blocks_of("192.0.2.1", 0)] == ["after"]
        assert await tables.sweep(1.0) == 0
        await tables.aclose()
