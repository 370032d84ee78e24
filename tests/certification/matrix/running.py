"""Runs the matrix: each server from three places at one time, some servers at one time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.certification.assignment import Assignment
from countersign.certification.outcome import BatteryResult, Verdict
from countersign.certification.report import Perspective, Report
from countersign.certification.run import run_battery
from countersign.certification.settings import Standing
from countersign.certification.settling import is_awaited, settle
from countersign.certification.standpoint import Standpoint
from countersign.certification.test_address import ALPHABET, MARK_LENGTH
from countersign.rules.perspectives import Seen
from tests.certification.matrix.place import (
    FOREIGN,
    ONLY_OURS,
    SOURCES,
    Place,
    Running,
    State,
    open_place,
)
from tests.certification.running import LOOPBACK, battery_for

QUORUM = 2
PATIENCE = 20
"""Seconds that messages have for arriving: those of a server that discards never do."""
AT_ONE_TIME = 8
LETTERS = {Seen.PASSED: "p", Seen.FAILED: "f", Seen.PROVEN: "P", Seen.NOTHING: "-"}


@dataclass(frozen=True)
class Row:
    """What came of a server."""

    state: State
    report: Report

    @property
    def seen(self) -> str:
        """What A, B and C saw, a letter each."""
        return "".join(LETTERS[one.seen] for one in self.report.perspectives)

    @property
    def failed(self) -> list[str]:
        """Names of tests that failed, seen from anywhere."""
        return [one.name for one in self.report.findings() if one.verdict is Verdict.FAILED]

    @property
    def undecided(self) -> list[str]:
        """Names of essential tests of which nothing was found out."""
        return [
            one.name
            for one in self.report.findings()
            if one.verdict is Verdict.COULD_NOT_TEST and one.is_essential
        ]

    @property
    def is_as_expected(self) -> bool:
        state = self.state
        return (
            self.report.verdict is state.expected
            and (not state.seen or self.seen == state.seen)
            and state.failed <= set(self.failed)
        )


async def run_matrix(states: Sequence[State]) -> list[Row]:
    """Start each server, test it, and stop it; the rows are in the order of the states."""
    turns = asyncio.Semaphore(AT_ONE_TIME)

    async def in_turn(place: Place, state: State) -> Row:
        async with turns, state.start(place) as running:
            return await _examine(place, state, running)

    async with open_place() as place, asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(in_turn(place, state)) for state in states]
    return [task.result() for task in made]


async def _examine(place: Place, state: State, running: Running) -> Row:
    results = await asyncio.gather(
        *(_look(place, state, running, source) for source in SOURCES.values())
    )
    perspectives = tuple(
        Perspective(label=label, result=result)
        for label, result in zip(SOURCES, results, strict=True)
    )
    report = Report(host=running.host, quorum=QUORUM, perspectives=perspectives)
    return Row(state, report)


async def _look(place: Place, state: State, running: Running, source: str) -> BatteryResult:
    """Test a server from one place, and wait for its messages."""
    mark = "".join(random.choices(ALPHABET, k=MARK_LENGTH))
    settings = {
        "foreign_domain": FOREIGN,
        "timeout": 20,
        "total_timeout": 150,
        "without": ONLY_OURS,
    }
    standing = Standing(sources=(source,), networks=LOOPBACK, nameservers=(place.dns.endpoint,))
    assignment = Assignment(
        host=running.host,
        mark=mark,
        battery=battery_for(running.port, **(settings | state.battery)),
    )
    result = await run_battery(assignment, Standpoint(standing))
    return await _wait_for_messages(place, mark, result)


async def _wait_for_messages(place: Place, mark: str, result: BatteryResult) -> BatteryResult:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        news = place.arrivals.news
        settled = settle(result, place.arrivals.of(mark))
        if not is_awaited(settled):
            return settled
        try:
            async with asyncio.timeout_at(deadline):
                await news.wait()
        except TimeoutError:
            return settled
