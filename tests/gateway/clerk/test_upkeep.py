"""What has passed is deleted, and the journal's head is logged (DESIGN §5)."""

from __future__ import annotations

import asyncio
from pathlib import Path

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
