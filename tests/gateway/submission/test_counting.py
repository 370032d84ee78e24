"""What is given up on the way counts nothing; what only looks, locks nobody by mistake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from countersign.gateway.submission.counting import Counting
from countersign.gateway.submission.passing import Sender, Submitted
from countersign.storage.submission.entries import Front
from countersign.storage.submission.local import LocalSubmissionTables
from countersign.storage.submission.tables import Counted, Lock
from tests.gateway.submission.site import Site, submission_site


def message(sender: Sender, recipients: int = 7) -> Submitted:
    header = b"From: alice@alpha.example\r\n"
    return Submitted(sender, "192.0.2.1", recipients, 10, header, b"x" * 32, Front.LISTENER)


async def sender_of(site: Site) -> Sender:
    sender = await site.submission.desk.open("alice")
    assert isinstance(sender, Sender)
    return sender


async def cancelled_after(steps: int, work: Awaitable[Any], *, times: int = 1) -> bool:
    """Cancel after so many turns of the loop; True if that was before the end."""
    task = asyncio.ensure_future(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    return isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)


async def settled(site: Site) -> int:
    """What is counted once all that was asked before is done."""
    await site.submission.tables.release("0")
    await site.submission.tables.release("0")
    return await site.used()


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("steps", range(8))
async def test_a_message_cancelled_at_any_step_counts_nothing(
    tmp_path: Path, steps: int, times: int
) -> None:
    async with submission_site(tmp_path) as site:
        sender = await sender_of(site)
        if await cancelled_after(steps, site.submission.desk.accept(message(sender)), times=times):
            assert await settled(site) == 0


@pytest.mark.parametrize("steps", range(8))
async def test_a_look_cancelled_at_any_step_counts_nothing(
    tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with submission_site(tmp_path) as site:
        sender = replace(await sender_of(site), used=300)

        async def out_of_date(user: str, now: float) -> int:
            return 300

        with monkeypatch.context() as patch:
            patch.setattr(site.submission.tables, "used", out_of_date)
            await cancelled_after(steps, site.submission.desk.check_recipients(sender, 5))
        assert await settled(site) == 0


async def test_a_step_cancelled_while_the_store_is_slow_is_taken_back_once_it_is_done(
    tmp_path: Path,
) -> None:
    class Slow(LocalSubmissionTables):
        async def reserve(
            self, user: str, recipients: int, limit: int | None, now: float
        ) -> Counted | Lock:
            counted = await super().reserve(user, recipients, limit, now)
            begun.set()
            await go_on.wait()
            return counted

    begun, go_on, now = asyncio.Event(), asyncio.Event(), time.time()
    tables = Slow(tmp_path)
    task = asyncio.create_task(Counting(tables).reserve("alice", 7, 300, now))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done(), "it waits until it knows"
    assert await tables.used("alice", now) == 7
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await tables.used("alice", now) == 0
    await tables.aclose()


async def test_looks_of_two_transactions_at_once_lock_nobody(tmp_path: Path) -> None:
    async with submission_site(tmp_path) as site:
        desk, tables = site.submission.desk, site.submission.tables
        await tables.reserve("alice", 200, None, time.time())
        # Both began when there was more in the window.
        sender = replace(await sender_of(site), used=300)
        asked = (desk.check_recipients(sender, 40) for _ in range(10))
        assert await asyncio.gather(*asked) == [None] * 10
        assert await tables.locks() == []
        assert await site.used() == 200


async def test_a_look_beyond_the_limit_locks(tmp_path: Path) -> None:
    async with submission_site(tmp_path) as site:
        await site.submission.tables.reserve("alice", 290, None, time.time())
        refusal = await site.submission.desk.check_recipients(await sender_of(site), 11)
        assert refusal is not None
        assert refusal.code == 550
        [lock] = await site.submission.tables.locks()
        assert (lock.used, lock.wanted, lock.limit) == (290, 11, 300)
        assert await site.used() == 290
