"""Many processes at once, and processes that are killed: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from countersign.storage.submission.journal import Journal
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import LockReason
from tests.storage.submission.conftest import Valkey

ROOT = Path(__file__).parent.parent.parent.parent
USER = "ann@example.org"
PROCESSES = 6
TASKS = 8
ROUNDS = 2


def worker(url: str, directory: Path, limit: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.storage.submission.worker"]
    return subprocess.Popen(
        [*command, url, str(directory), USER, str(limit), str(TASKS)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def acknowledged(lines: list[str], kind: str) -> list[str]:
    # The last line of a process that was killed may be half a line.
    whole = (line.split() for line in lines if line.endswith("\n"))
    return [words[1] for words in whole if words[0] == kind]


async def test_many_processes_at_once_count_exactly_up_to_the_limit(
    where: str, tmp_path: Path
) -> None:
    workers = [worker(where, tmp_path, limit=300) for _ in range(PROCESSES)]
    lines = [line for one in workers for line in one.communicate()[0].splitlines(keepends=True)]
    assert [one.returncode for one in workers] == [0] * PROCESSES
    assert len(set(acknowledged(lines, "counted"))) == 300

    tables, journal = open_submission_tables(where, tmp_path), Journal(tmp_path)
    assert await tables.used(USER, time.time()) == 300
    (lock,) = await tables.locks()
    assert (lock.reason, lock.used, lock.wanted) == (LockReason.DAILY_LIMIT, 300, 1)
    assert await tables.untold() == [lock]
    found = await journal.verify()
    assert (found.is_whole, found.rows) == (True, 300)
    await tables.aclose()
    await journal.aclose()


async def test_processes_killed_at_any_moment_lose_nothing_that_was_acknowledged(
    where: str, tmp_path: Path
) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    chance = random.Random(seed)
    counted: list[str] = []
    written: list[str] = []
    for _ in range(ROUNDS):
        workers = [worker(where, tmp_path) for _ in range(PROCESSES)]
        chance.shuffle(workers)
        for one in workers:
            assert one.stdout is not None
            lines = [one.stdout.readline() for _ in range(chance.randrange(1, 200))]
            one.kill()
            lines += one.stdout.readlines()
            one.stdout.close()
            one.wait()
            counted += acknowledged(lines, "counted")
            written += acknowledged(lines, "written")
    assert min(len(counted), len(written)) > ROUNDS * PROCESSES

    tables, journal = open_submission_tables(where, tmp_path), Journal(tmp_path)
    now = time.time()
    used = await tables.used(USER, now)
    # Each task of each process had one under way at most when it was killed.
    assert len(counted) <= used <= len(counted) + ROUNDS * PROCESSES * TASKS
    assert sum(await tables.hours(USER, now)) == used
    (top,) = await tables.top(now)
    assert (top.recipients, top.messages) == (used, used)
    for reservation in counted:
        await tables.release(reservation)
    assert await tables.used(USER, now) == used - len(counted)

    found = await journal.verify()
    assert found.is_whole
    assert len(written) <= found.rows <= len(written) + ROUNDS * PROCESSES * TASKS
    for tracking_id in written:
        assert await journal.find(tracking_id) is not None
    await tables.aclose()
    await journal.aclose()


async def test_a_valkey_server_that_is_killed_keeps_counts_and_locks(
    valkey_program: str, tmp_path: Path
) -> None:
    server = Valkey(valkey_program, tmp_path)
    server.start()
    tables = open_submission_tables(server.url, tmp_path)
    try:
        for _ in range(50):
            await tables.reserve(USER, 2, None, time.time())
        lock = await tables.reserve("bob", 11, 10, time.time())
        server.kill()
        server.start()
        assert await tables.used(USER, time.time()) == 100
        assert await tables.locks() == await tables.untold() == [lock]
    finally:
        await tables.aclose()
        server.stop()
