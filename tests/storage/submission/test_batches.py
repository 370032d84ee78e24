"""One SQLite file, many operations to a transaction: each stands or falls by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.storage.submission.batches import Batches
from countersign.storage.tables import TablesUnavailableError

SCHEMA = (("CREATE TABLE words (word TEXT UNIQUE)",),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "words.db"


@pytest.fixture
async def batches(path: Path) -> AsyncIterator[Batches]:
    made = Batches(path, SCHEMA, busy_timeout=0.2)
    yield made
    await made.aclose()


async def add(batches: Batches, word: str) -> None:
    await batches.write(lambda database: database.execute("INSERT INTO words VALUES (?)", (word,)))


async def words(batches: Batches) -> list[str]:
    rows = await batches.read(
        lambda database: database.execute("SELECT word FROM words").fetchall()
    )
    return sorted(word for (word,) in rows)


async def test_the_file_and_its_directory_are_the_owners_alone(
    batches: Batches, path: Path
) -> None:
    await add(batches, "a")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.stat().st_mode & 0o777 for one in path.parent.iterdir()] == [0o600] * 3


async def test_an_operation_that_fails_undoes_itself_only(batches: Batches) -> None:
    def fail(database: sqlite3.Connection) -> None:
        database.execute("INSERT INTO words VALUES ('half')")
        raise KeyError("of its own")

    found = await asyncio.gather(
        add(batches, "a"), batches.write(fail), add(batches, "b"), return_exceptions=True
    )
    assert isinstance(found[1], KeyError)
    assert await words(batches) == ["a", "b"]


async def test_a_fault_of_sqlite_reads_as_could_not_tell(batches: Batches) -> None:
    found = await asyncio.gather(
        *(add(batches, word) for word in ("a", "a", "b")), return_exceptions=True
    )
    assert [type(one) for one in found] == [type(None), TablesUnavailableError, type(None)]
    with pytest.raises(TablesUnavailableError, match="no such table"):
        await batches.read(lambda database: database.execute("SELECT * FROM absent"))
    assert await words(batches) == ["a", "b"]


async def test_what_waits_together_is_one_transaction(batches: Batches) -> None:
    running = asyncio.get_running_loop()
    began, go_on = asyncio.Event(), asyncio.Event()

    def hold(_database: sqlite3.Connection) -> None:
        running.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), running).result()

    def commits(database: sqlite3.Connection) -> int:
        return int(database.execute("PRAGMA data_version").fetchone()[0])

    other = sqlite3.connect(batches._path)
    other.execute("SELECT * FROM words").fetchall()
    before = commits(other)
    held = asyncio.create_task(batches.write(hold))
    await began.wait()
    waiting = [asyncio.create_task(add(batches, str(number))) for number in range(50)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(held, *waiting)
    assert len(await words(batches)) == 50
    assert commits(other) - before <= 2
    other.close()


async def test_what_was_handed_in_is_done_though_its_caller_is_cancelled(batches: Batches) -> None:
    task = asyncio.create_task(add(batches, "a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await words(batches) == ["a"]


async def test_closing_does_what_waits_and_then_nothing_more(path: Path) -> None:
    batches = Batches(path, SCHEMA)
    tasks = [asyncio.create_task(add(batches, str(number))) for number in range(20)]
    await asyncio.sleep(0)
    await batches.aclose()
    await batches.aclose()
    await asyncio.gather(*tasks)
    with pytest.raises(TablesUnavailableError, match="closed"):
        await add(batches, "late")
    again = Batches(path, SCHEMA)
    assert len(await words(again)) == 20
    await again.aclose()


def test_callers_of_several_event_loops_are_served(path: Path) -> None:
    batches = Batches(path, SCHEMA)
    asyncio.run(add(batches, "a"))
    asyncio.run(add(batches, "b"))
    assert asyncio.run(words(batches)) == ["a", "b"]
    asyncio.run(batches.aclose())


async def test_a_file_of_an_older_version_is_brought_up_to_date_and_a_newer_one_refused(
    batches: Batches, path: Path
) -> None:
    await add(batches, "a")
    newer = (*SCHEMA, ("ALTER TABLE words ADD COLUMN tongue TEXT DEFAULT 'en'",))
    second = Batches(path, newer)
    assert await words(second) == ["a"]
    with pytest.raises(TablesUnavailableError, match="newer version"):
        Batches(path, SCHEMA)
    await second.aclose()


async def test_a_lock_that_others_hold_for_too_long_reads_as_could_not_tell(
    batches: Batches, path: Path
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TablesUnavailableError, match="other processes held it for too long"):
        await add(batches, "a")
    assert await words(batches) == []
    other.execute("COMMIT")
    other.close()
    await add(batches, "a")
    assert await words(batches) == ["a"]


async def test_a_full_file_reads_as_could_not_tell_and_room_helps(batches: Batches) -> None:
    def bound(database: sqlite3.Connection) -> None:
        database.execute("PRAGMA max_page_count=1")

    await add(batches, "a")
    await batches.read(bound)
    found = await asyncio.gather(
        *(add(batches, str(number) * 3000) for number in range(10)), return_exceptions=True
    )
    assert any(isinstance(one, TablesUnavailableError) for one in found)
    assert "the disk is full" in str(next(one for one in found if one is not None))
    # What was acknowledged is there, and nothing of what was not.
    kept = ["a", *(str(n) * 3000 for n, one in enumerate(found) if one is None)]
    assert await words(batches) == sorted(kept)
    await add(batches, "x" * 30_000)


async def test_a_file_that_was_put_in_its_place_is_the_one_that_is_used(
    batches: Batches, path: Path
) -> None:
    await add(batches, "old")
    restored = Batches(path.with_name("restored.db"), SCHEMA)
    await add(restored, "restored")
    await restored.aclose()
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    path.with_name("restored.db").rename(path)
    await add(batches, "new")
    assert await words(batches) == ["new", "restored"]


async def test_a_damaged_file_reads_as_could_not_tell(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(TablesUnavailableError, match="the file is damaged"):
        Batches(path, SCHEMA)


@pytest.mark.parametrize("place", ["/proc/countersign", "/dev/null/countersign"])
def test_a_place_where_nothing_can_be_made_reads_as_could_not_tell(place: str) -> None:
    with pytest.raises(TablesUnavailableError, match="cannot open /"):
        Batches(Path(place) / "words.db", SCHEMA)
