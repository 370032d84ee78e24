"""Stores that cannot be reached or written: every question reads as 'could not tell'."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import (
    Counted,
    Lock,
    LockReason,
    SignInFailure,
    SubmissionTables,
)
from countersign.storage.submission.valkey import ValkeySubmissionTables
from countersign.storage.tables import TablesUnavailableError
from tests.storage.submission.conftest import Valkey

NOW = 1_700_000_000.0
LOCK = Lock("ann", LockReason.DAILY_LIMIT, NOW)
ASKED: dict[str, Callable[[SubmissionTables], Awaitable[object]]] = {
    "reserve": lambda tables: tables.reserve("ann", 1, 300, NOW),
    "release": lambda tables: tables.release("00:1:ann"),
    "standing": lambda tables: tables.standing("ann", NOW),
    "used": lambda tables: tables.used("ann", NOW),
    "hours": lambda tables: tables.hours("ann", NOW),
    "top": lambda tables: tables.top(NOW),
    "lock": lambda tables: tables.lock(LOCK),
    "unlock": lambda tables: tables.unlock("ann", forget=True, now=NOW),
    "lock_of": lambda tables: tables.lock_of("ann"),
    "locks": lambda tables: tables.locks(),
    "untold": lambda tables: tables.untold(),
    "told": lambda tables: tables.told(LOCK),
    "failed": lambda tables: tables.failed(SignInFailure(NOW, "ann", "192.0.2.1", "password")),
    "failures": lambda tables: tables.failures("ann", "192.0.2.1", NOW),
    "recent_failures": lambda tables: tables.recent_failures(),
    "pardon": lambda tables: tables.pardon("ann"),
    "signed_in": lambda tables: tables.signed_in("ann", "192.0.2.1", NOW),
    "sweep": lambda tables: tables.sweep(NOW),
}
FILLING = """
import asyncio, sys, time
from pathlib import Path
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.local import LocalSubmissionTables
from countersign.storage.tables import TablesUnavailableError
from tests.storage.submission.messages import NOW, entry

async def main(directory):
    tables, journal = LocalSubmissionTables(directory), Journal(directory)
    counted, written, said = 0, [], set()
    for number in range(20_000):
        try:
            await tables.reserve(f"user{number}", 1, 300, NOW)
            counted += 1
        except TablesUnavailableError as error:
            said.add(str(error))
        message = entry()
        try:
            await journal.append(message)
            written.append(message.id)
        except TablesUnavailableError as error:
            said.add(str(error))
        if len(said) == 2:
            break
    (directory.parent / "filler").unlink()
    await tables.reserve("last", 1, 300, NOW)
    await journal.append(entry())
    assert len(await tables.top(NOW, 1_000_000)) >= counted + 1
    assert (await journal.verify()).rows >= len(written) + 1
    for one in written:
        assert await journal.find(one) is not None
    await tables.aclose()
    await journal.aclose()
    print(*sorted(said), sep="\\n")

asyncio.run(main(Path(sys.argv[1])))
"""


def test_every_method_is_asked_here() -> None:
    methods = {name for name, _ in inspect.getmembers(SubmissionTables, inspect.isfunction)}
    assert {name for name in methods if not name.startswith("_")} == {*ASKED, "aclose"}


@pytest.fixture
async def gone(valkey_program: str, tmp_path: Path) -> AsyncIterator[SubmissionTables]:
    server = Valkey(valkey_program, tmp_path)
    server.start()
    tables = open_submission_tables(server.url, tmp_path)
    await tables.reserve("ann", 1, 300, NOW)
    server.stop()
    yield tables
    await tables.aclose()


@pytest.mark.parametrize("name", ASKED)
async def test_a_valkey_that_is_gone_reads_as_could_not_tell(
    gone: SubmissionTables, name: str
) -> None:
    with pytest.raises(TablesUnavailableError):
        await ASKED[name](gone)


async def test_a_valkey_that_does_not_answer_is_not_waited_for(
    valkey_program: str, tmp_path: Path
) -> None:
    server = Valkey(valkey_program, tmp_path)
    server.start()
    tables = ValkeySubmissionTables(server.url, timeout=0.3)
    await tables.reserve("ann", 1, 300, NOW)
    server.freeze(frozen=True)
    begun = time.monotonic()
    many = (tables.reserve("ann", 1, 300, NOW) for _ in range(50))
    found = await asyncio.gather(*many, return_exceptions=True)
    assert time.monotonic() - begun < 5
    assert all(isinstance(one, TablesUnavailableError) for one in found)
    server.freeze(frozen=False)
    counted = await tables.reserve("ann", 1, 300, NOW)
    # Those that it had received are counted: too much, never too little.
    assert isinstance(counted, Counted)
    assert 2 <= counted.used <= 52
    await tables.aclose()
    server.stop()


async def test_a_valkey_that_comes_back_is_used_at_once(
    valkey_program: str, tmp_path: Path
) -> None:
    server = Valkey(valkey_program, tmp_path)
    server.start()
    tables = open_submission_tables(server.url, tmp_path)
    await asyncio.gather(*(tables.reserve("ann", 1, None, NOW) for _ in range(30)))
    server.stop()
    server.start()
    assert await tables.used("ann", NOW) == 30
    await tables.aclose()
    server.stop()


async def test_a_valkey_with_no_memory_left_reads_as_could_not_tell(shared_valkey: Valkey) -> None:
    tables = ValkeySubmissionTables(shared_valkey.url)
    command = ["redis-cli", "-p", str(shared_valkey.port), "CONFIG", "SET", "maxmemory"]
    subprocess.run([*command, "1"], check=True, capture_output=True)
    try:
        with pytest.raises(TablesUnavailableError, match="maxmemory"):
            await tables.reserve("ann", 1, 300, NOW)
    finally:
        subprocess.run([*command, "0"], check=True, capture_output=True)
    await tables.aclose()


async def test_no_key_has_an_expiry_of_its_own(valkey_url: str) -> None:
    tables = ValkeySubmissionTables(valkey_url)
    for ask in ASKED.values():
        await ask(tables)
    await tables.reserve("bob", 1, 300, NOW)
    await tables.reserve("eve", 301, 300, NOW)
    keys = [key async for key in tables._client.scan_iter()]
    assert len(keys) > 10
    for key in keys:
        assert await tables._client.ttl(key) == -1
    await tables.aclose()


def in_own_mounts(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounting needs root and unshare")
    return subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=Path(__file__).parent.parent.parent.parent,
    )


@pytest.mark.namespaces
def test_a_full_disk_reads_as_could_not_tell_and_loses_nothing(tmp_path: Path) -> None:
    program = tmp_path / "filling.py"
    program.write_text(FILLING)
    script = (
        'mount -t tmpfs -o size=2m none "$1"; head -c 1200000 /dev/zero > "$1/filler"; '
        'PYTHONPATH=. exec "$2" "$3" "$1/submission"'
    )
    place = tmp_path / "disk"
    place.mkdir()
    done = in_own_mounts(script, str(place), sys.executable, str(program))
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all("the disk is full" in one or "does not read or write" in one for one in said)


@pytest.mark.namespaces
def test_a_disk_that_may_only_be_read_reads_as_could_not_tell(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from countersign.storage.submission.opening import *; "
        "open_submission_tables('', pathlib.Path(sys.argv[1]))"
    )
    script = 'mount -t tmpfs -o ro none "$1"; exec "$2" -c "$3" "$1/submission"'
    done = in_own_mounts(script, str(tmp_path), sys.executable, program)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "TablesUnavailableError: cannot open" in last
    assert "Read-only file system" in last
