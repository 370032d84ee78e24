"""Telling goes on however often it fails, and past letters that are refused for good."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from countersign.gateway.clerk.posting import LetterRefusedError
from countersign.gateway.clerk.telling import MAX_BACK_OFF, pause, tell_each, tell_for_ever
from countersign.protocol.reply import reply
from countersign.storage.tables import TablesUnavailableError

PERMANENT = LetterRefusedError(reply(550, "5.7.1", "No"))
TRANSIENT = LetterRefusedError(reply(451, "4.3.0", "Later"))


@given(st.integers(0, 10**9), st.floats(0.001, 60))
def test_however_often_it_fails_there_is_a_next_time(failures: int, look_seconds: float) -> None:
    assert look_seconds <= pause(look_seconds, failures) <= MAX_BACK_OFF
    assert pause(look_seconds, failures) <= pause(look_seconds, failures + 1)


async def test_failures_are_logged_and_what_follows_is_told() -> None:
    told = asyncio.Event()
    outcomes = iter([TablesUnavailableError("away"), TRANSIENT, None])

    async def tell_all() -> int:
        outcome = next(outcomes, None)
        if outcome is not None:
            raise outcome
        told.set()
        return 1

    with capture_logs() as logs:
        running = asyncio.create_task(tell_for_ever("lock", tell_all, 0.001))
        async with asyncio.timeout(10):
            await told.wait()
        running.cancel()
    assert [line["event"] for line in logs] == ["administrator not told of lock yet"] * 2


async def test_what_is_refused_for_good_holds_nothing_up() -> None:
    told = []

    async def tell(thing: int) -> bool:
        if thing % 2:
            raise PERMANENT
        told.append(thing)
        return True

    with pytest.raises(LetterRefusedError):
        await tell_each([1, 2, 3, 4], tell)
    assert told == [2, 4]


async def test_what_is_refused_for_now_is_not_asked_again_with_each_of_the_rest() -> None:
    asked = []

    async def tell(thing: int) -> bool:
        asked.append(thing)
        raise TRANSIENT

    with pytest.raises(LetterRefusedError):
        await tell_each([1, 2, 3], tell)
    assert asked == [1]


async def test_it_ends_when_it_is_another_hosts_turn() -> None:
    async def tell(thing: int) -> bool:
        return thing < 3

    assert await tell_each([1, 2, 3, 4], tell) == 2
