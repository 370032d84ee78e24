"""Several workers, killed workers: the count stays exact, and what was acknowledged is written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from countersign.storage.submission.journal import Journal
from countersign.storage.submission.opening import open_submission_tables
from countersign.transport.conversation import ConversationError
from tests.gateway.submission.process import SubmissionProcess, submission_gateway
from tests.gateway.submission.site import PASSWORD, client_of, client_tls, plain
from tests.gateway.test_backend import Backend, listening
from tests.peers.postfix import Postfix


def stores(directory: Path) -> Path:
    return directory / "state" / "submission"


async def used(directory: Path) -> int:
    tables = open_submission_tables("", stores(directory))
    try:
        return await tables.used("alice", time.time())
    finally:
        await tables.aclose()


async def standing(directory: Path) -> int:
    """Recipients in the journal, without what was refused."""
    journal = Journal(stores(directory))
    try:
        entries = await journal.of_user("alice", 0, 2**40)
        found = [await journal.find(entry.id) for entry in entries]
        return sum(one.entry.recipients for one in found if one and one.refused_at is None)
    finally:
        await journal.aclose()


@pytest.mark.peer
async def test_of_many_at_the_same_time_to_two_workers_exactly_300_pass(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_gateway(tmp_path, mta.listen, workers=2) as gateway:
        assert len(gateway.workers()) == 2

        async def send(number: int) -> int:
            recipients = [f"to{number}-{one}@alpha.example" for one in range(10)]
            passed = 0
            async with client_of(gateway.port, address=gateway.address) as client:
                for _ in range(4):
                    passed += (await client.send(*recipients)).code == 250
            return passed

        passed = await asyncio.gather(*(send(number) for number in range(12)))
        assert sum(passed) == 30
        assert await used(tmp_path) == 300
    assert await standing(tmp_path) == 300
    lock_lines = gateway.log_file.read_text().count("account locked")
    assert lock_lines == 1


async def test_what_a_killed_worker_acknowledged_is_counted_and_written_down(
    tmp_path: Path,
) -> None:
    backend = Backend("never", b"")
    acknowledged = 0

    async def send_until_cut(gateway: SubmissionProcess, number: int) -> None:
        nonlocal acknowledged
        with contextlib.suppress(ConversationError, ConnectionError):
            async with client_of(gateway.port, address=gateway.address) as client:
                while True:
                    if (await client.send(f"to{number}@alpha.example")).code != 250:
                        return
                    acknowledged += 1

    async with listening(backend) as port:
        async with submission_gateway(tmp_path, f"127.0.0.1:{port}", workers=1) as gateway:
            for round_ in range(4):
                [worker] = gateway.workers()
                before = acknowledged
                clients = [
                    asyncio.create_task(send_until_cut(gateway, number)) for number in range(4)
                ]
                async with asyncio.timeout(30):
                    while acknowledged < before + 10 + round_:
                        await asyncio.sleep(0.001)
                os.kill(worker, signal.SIGKILL)
                await asyncio.gather(*clients)
                async with asyncio.timeout(30):
                    while gateway.workers() in ([], [worker]):
                        await asyncio.sleep(0.02)
            async with client_of(gateway.port, address=gateway.address) as client:
                assert (await client.send("to1@alpha.example")).code == 250
                acknowledged += 1
        taken = len(backend.taken)
        # What was on its way when a worker was killed may be counted and not have gone out, four
        # messages at a time at most; but nothing goes out that is not counted.
        assert acknowledged <= taken <= await used(tmp_path) <= acknowledged + 4 * 4
        assert taken <= await standing(tmp_path) <= await used(tmp_path)


async def test_a_stop_lets_the_message_under_way_end(tmp_path: Path) -> None:
    backend = Backend("never", b"")
    async with (
        listening(backend) as port,
        submission_gateway(tmp_path, f"127.0.0.1:{port}", workers=1) as gateway,
        client_of(gateway.port, address=gateway.address) as client,
    ):
        lines = ["MAIL FROM:<alice@alpha.example>", "RCPT TO:<to1@alpha.example>", "DATA"]
        assert await client.codes(*lines) == [250, 250, 354]
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.wait_for_log("draining")
        client.conversation.send(b"From: alice@alpha.example\r\n\r\nlate\r\n")
        assert (await client.say(".")).code == 250
        await gateway.process.wait()
    assert len(backend.taken) == 1
    assert await standing(tmp_path) == 1


async def test_a_worker_serves_tls_from_the_first_octet_whatever_others_send(
    tmp_path: Path,
) -> None:
    backend = Backend("never", b"")
    async with (
        listening(backend) as port,
        submission_gateway(tmp_path, f"127.0.0.1:{port}", workers=1) as gateway,
    ):
        where = (gateway.address, gateway.tls_port)
        reader, writer = await asyncio.open_connection(*where)
        writer.write(b"EHLO in.clear\r\n")
        await reader.read()
        await gateway.wait_for_log("tls handshake failed")
        writer.close()
        silent = [await asyncio.open_connection(*where) for _ in range(5)]
        reader, writer = await asyncio.open_connection(*where, ssl=client_tls())
        assert (await reader.readline()).startswith(b"220 ")
        writer.write(b"EHLO x.example\r\n")
        hello = await reader.readuntil(b"8BITMIME\r\n")
        assert b"AUTH SCRAM-SHA-256 PLAIN" in hello
        assert b"STARTTLS" not in hello
        writer.write(f"AUTH PLAIN {plain('alice', PASSWORD)}\r\n".encode())
        assert (await reader.readline()).startswith(b"235 ")
        for _, one in [(reader, writer), *silent]:
            one.close()
        [worker] = gateway.workers()
        async with asyncio.timeout(10):
            while connections_of(worker, gateway.tls_port):
                await asyncio.sleep(0.05)


def connections_of(pid: int, port: int) -> int:
    """Return how many sockets a process holds that are connected to a port of its own."""
    inodes = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(path.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # Local address, state (0A: listening) and inode (proc(5)).
    return sum(
        row[1].endswith(f":{port:04X}") and row[3] != "0A" and row[9] in inodes for row in rows
    )
