"""Asks the primaries for their serials: one, or the next ones, or all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.registry.replica.asking import SerialAsker
from countersign.registry.replica.faults import ReplicaError
from countersign.registry.replica.metrics import ReplicaMetrics
from countersign.registry.replica.notify import plain_address
from countersign.registry.replica.primaries import Primaries, Primary
from countersign.registry.replica.reporting import Report
from countersign.registry.replica.settings import split_endpoint
from countersign.registry.transfer.asking import SoaAnswer
from countersign.registry.zone.serial import lag

PATIENCE_SECONDS = 0.5
"""For which the others are waited for when one primary has answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a primary has."""

    primary: Primary
    soa: SoaAnswer
    at: float
    """Unix seconds."""

    @property
    def checked_at(self) -> float:
        """When, at the latest, this was what the first primary of the chain had.

        A secondary counts down for how long its copy is good (RFC 7314).
        """
        if self.soa.left is None:
            return self.at
        return self.at - max(0, self.soa.expire - self.soa.left)


class Poll:
    """Asks primaries, and notes who answers."""

    def __init__(
        self,
        primaries: Primaries,
        asker: SerialAsker,
        report: Report,
        metrics: ReplicaMetrics,
    ) -> None:
        self._primaries = primaries
        self._asker = asker
        self._report = report
        self._metrics = metrics
        self._notified_by = ""
        self._late: set[asyncio.Task[Answer | None]] = set()

    def notified(self, address: str) -> None:
        """Have a primary asked first, which has something to tell."""
        self._notified_by = plain_address(address)

    async def ask(self, serial: int | None) -> list[Answer]:
        """Ask primaries until one has our serial or a later one; all of them, if it is time to."""
        now = time.monotonic()
        self._hear_notified()
        in_order = self._primaries.in_order(now)
        if self._primaries.survey_is_due(now):
            return await self._survey(in_order)
        answers = []
        for primary in in_order:
            answer = await self._ask_one(primary)
            if answer is not None:
                answers.append(answer)
                if serial is None or lag(serial, answer.soa.serial) >= 0:
                    break
        return answers

    async def _survey(self, primaries: Sequence[Primary]) -> list[Answer]:
        """Ask all at once; who is silent must not keep the others' news waiting."""
        asking = {asyncio.create_task(self._ask_one(primary)) for primary in primaries}
        answers: list[Answer] = []
        deadline: float | None = None
        while asking:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            done, asking = await asyncio.wait(
                asking, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            answers += [answer for one in done if (answer := one.result()) is not None]
            if answers and deadline is None:
                deadline = time.monotonic() + PATIENCE_SECONDS
        # Whoever answers later is noted, and is asked again in the next survey.
        self._late |= asking
        for one in asking:
            one.add_done_callback(self._late.discard)
        return answers

    def _hear_notified(self) -> None:
        address, self._notified_by = self._notified_by, ""
        for primary in self._primaries.all:
            if address and plain_address(split_endpoint(primary.endpoint)[0]) == address:
                primary.asking.succeeded()
                self._primaries.remember(primary)
                return

    async def _ask_one(self, primary: Primary) -> Answer | None:
        try:
            soa = await self._asker.ask(primary.endpoint)
        except ReplicaError as error:
            self._metrics.asked(error.fault.value)
            self._report.failed(primary.endpoint, error, is_transfer=False)
            primary.asking.failed(time.monotonic())
            return None
        self._metrics.asked("answered")
        primary.asking.succeeded()
        self._report.answered(primary.endpoint, soa.serial)
        return Answer(primary, soa, time.time())
