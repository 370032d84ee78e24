"""What has passed is deleted, and the journal's head is logged (DESIGN §5)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from countersign.gateway.clerk.service import keep_running
from countersign.gateway.clerk.upkeep import Upkeep
from countersign.rules.submission import DAY
from tests.gateway.clerk.setting import Stores, entry, make_config

NOW = 1_800_000_000.0


async def test_the_journal_forgets_what_is_older_than_its_days_and_nothing_else(
    tmp_path: Path,
) -> None:
    config = make_config(tmp_path, "127.0.0.1:1", extra="[stamp]\nkeep_days = 30")
    stores = Stores(config)
    ages = (31 * DAY, 30 * DAY + 1, 30 * DAY - 1, 0)
    entries = [entry("alice", number, NOW - age, "192.0.2.1") for number, age in enumerate(ages)]
    for one in entries:
        await stores.journal.append(one)
    with capture_logs() as logs:
        upkeep = Upkeep(config, stores.tables, stores.journal, clock=lambda: NOW)
        await upkeep.look_after_journal()
    kept = [await stores.journal.find(one.id) for one in entries]
    assert [found is not None for found in kept] == [False, False, True, True]
    head = str(await stores.journal.head())
    await stores.close()
    assert {"event": "journal head", "head": head, "deleted": 2, "log_level": "info"} in logs


class Clocks:
    """The time of day, and a clock that nobody sets."""

    def __init__(self) -> None:
        self.now = NOW
        self.steady = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds


async def look(upkeep: Upkeep) -> tuple[int, bool]:
    """Return how many entries were deleted, and whether the clock was doubted."""
    with capture_logs() as logs:
        await upkeep.look_after_journal()
    [deleted] = [line["deleted"] for line in logs if line["event"] == "journal head"]
    return deleted, any("is the clock right?" in line["event"] for line in logs)


def upkeep_with(stores: Stores, clocks: Clocks) -> Upkeep:
    return Upkeep(
        stores.config,
        stores.tables,
        stores.journal,
        clock=lambda: clocks.now,
        steady=lambda: clocks.steady,
    )


async def test_a_clock_that_jumps_ahead_deletes_nothing_and_neither_when_mail_goes_on(
    tmp_path: Path,
) -> None:
    stores = Stores(make_config(tmp_path, "127.0.0.1:1"))
    clocks = Clocks()
    upkeep = upkeep_with(stores, clocks)
    await stores.journal.append(entry("alice", 1, NOW, "192.0.2.1"))
    assert await look(upkeep) == (0, False)
    clocks.now += 366 * DAY
    await stores.journal.append(entry("alice", 2, clocks.now, "192.0.2.1"))
    assert await look(upkeep) == (0, True)
    upkeep = upkeep_with(stores, clocks)
    for _ in range(6 * 24):
        assert await look(upkeep) == (0, True), "though the newest entry is of now"
        clocks.pass_by(3600)
    clocks.pass_by(DAY)
    assert await look(upkeep) == (1, False), "time does go on"
    await stores.journal.append(entry("alice", 3, clocks.now, "192.0.2.1"))
    assert await look(upkeep_with(stores, clocks)) == (0, False)
    await stores.close()


async def test_a_clerk_that_is_started_again_each_night_believes_a_right_clock_after_a_week(
    tmp_path: Path,
) -> None:
    stores = Stores(make_config(tmp_path, "127.0.0.1:1"))
    clocks = Clocks()
    await stores.journal.append(entry("alice", 1, NOW, "192.0.2.1"))
    clocks.pass_by(366 * DAY)
    for _ in range(7):
        # So does the host: its steady clock begins anew.
        clocks.steady = 5.0
        upkeep = upkeep_with(stores, clocks)
        for _ in range(24):
            assert await look(upkeep) == (0, True), "nobody has sent for a year"
            clocks.pass_by(3600)
    # What no look has seen, from the last one of each night's clerk on, counts for nothing.
    for _ in range(6):
        assert await look(upkeep) == (0, True)
        clocks.pass_by(3600)
    assert await look(upkeep) == (1, False)
    await stores.close()


@pytest.mark.parametrize("kept", ["", "nonsense", "1e9", f"{NOW} 1e9 0", f"{NOW} 1e9 1"])
async def test_a_look_that_cannot_be_read_or_is_of_another_time_makes_a_doubt(
    tmp_path: Path, kept: str
) -> None:
    stores = Stores(make_config(tmp_path, "127.0.0.1:1"))
    clocks = Clocks()
    await stores.journal.append(entry("alice", 1, NOW, "192.0.2.1"))
    clocks.now += 366 * DAY
    await stores.journal.append(entry("alice", 2, clocks.now, "192.0.2.1"))
    (stores.config.state_directory / "submission" / "clock").write_text(kept)
    assert await look(upkeep_with(stores, clocks)) == (0, True)
    await stores.close()


async def test_a_clock_that_was_wrong_and_is_put_right_deletes_nothing(tmp_path: Path) -> None:
    stores = Stores(make_config(tmp_path, "127.0.0.1:1"))
    clocks = Clocks()
    await stores.journal.append(entry("alice", 1, NOW, "192.0.2.1"))
    upkeep = upkeep_with(stores, clocks)
    clocks.now += 366 * DAY
    assert await look(upkeep) == (0, True), "a start, long after the newest entry"
    clocks.now = NOW + 60
    assert (await look(upkeep))[0] == 0
    assert await stores.journal.find(entry("alice", 1, NOW, "192.0.2.1").id) is not None
    await stores.close()


async def test_a_host_that_slept_over_the_week_end_goes_on_deleting(tmp_path: Path) -> None:
    stores = Stores(make_config(tmp_path, "127.0.0.1:1"))
    clocks = Clocks()
    clocks.pass_by(365 * DAY + 100)
    await stores.journal.append(entry("alice", 1, NOW, "192.0.2.1"))
    await stores.journal.append(entry("alice", 2, clocks.now - 1.9 * DAY, "192.0.2.1"))
    upkeep = Upkeep(stores.config, stores.tables, stores.journal, clock=lambda: clocks.now)
    assert await look(upkeep) == (1, False)
    await stores.close()


async def test_a_clerk_that_is_started_again_after_a_week_without_mail_doubts_nothing(
    tmp_path: Path,
) -> None:
    stores = Stores(make_config(tmp_path, "127.0.0.1:1"))
    clocks = Clocks()
    await stores.journal.append(entry("alice", 1, NOW - 365 * DAY, "192.0.2.1"))
    await stores.journal.append(entry("alice", 2, NOW, "192.0.2.1"))
    upkeep = upkeep_with(stores, clocks)
    for _ in range(7):
        clocks.pass_by(DAY - 3600)
        assert (await look(upkeep))[1] is False
        clocks.pass_by(3600)
        upkeep = upkeep_with(stores, clocks)
    assert (await look(upkeep))[1] is False
    await stores.close()


async def test_the_head_is_logged_at_the_start(tmp_path: Path) -> None:
    stores = Stores(make_config(tmp_path, "127.0.0.1:1"))
    with capture_logs() as logs:
        running = asyncio.create_task(Upkeep(stores.config, stores.tables, stores.journal).run())
        async with asyncio.timeout(5):
            while not any(line["event"] == "journal head" for line in logs):
                await asyncio.sleep(0.01)
        running.cancel()
    await stores.close()


async def test_a_task_that_fails_is_started_again_and_its_data_is_not_logged() -> None:
    runs = asyncio.Queue[int]()

    async def work() -> None:
        await runs.put(1)
        raise ValueError("alice@local.example")

    with capture_logs() as logs:
        running = asyncio.create_task(keep_running("work", work))
        async with asyncio.timeout(10):
            await runs.get()
            await runs.get()
        running.cancel()
    assert logs[0]["task"] == "work"
    assert "alice" not in str(logs)
