"""Delivers results: again and again until the registrar has them, or takes them no longer."""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import Callable

import structlog

from countersign.probe.client import RegistrarClient, RegistrarError
from countersign.probe.keeping import Keeping, Result
from countersign.probe.reporting import Reporting

log = structlog.get_logger()

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_AT_ONE_TIME = 4
"""Results on their way at one time: each may be of some megabytes."""


class Delivery:
    """The results that are to be delivered, each in a task of its own."""

    def __init__(self, client: RegistrarClient, keeping: Keeping, report: Reporting) -> None:
        self._client = client
        self._keeping = keeping
        self._report = report
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONE_TIME)
        self.freed = asyncio.Event()
        """Set whenever a result is no longer to be delivered."""
        self.on_taken: Callable[[int], None] = lambda _: None
        """Called with each order whose result the registrar has."""

    @property
    def count(self) -> int:
        """How many results there are."""
        return len(self._tasks)

    @property
    def numbers(self) -> frozenset[int]:
        """The orders' numbers."""
        return frozenset(self._tasks)

    def has(self, order: int) -> bool:
        """Tell whether the result of an order is here."""
        return order in self._tasks

    def take_up(self) -> None:
        """Begin to deliver what is on the disk."""
        for order in self._keeping.results():
            self._begin(order, None)

    def deliver(self, result: Result) -> None:
        """Keep a result, and begin to deliver it."""
        try:
            self._keeping.keep_result(result)
        except OSError as error:
            # Not lost yet: it is in memory.
            log.error("a result cannot be kept", order=result.order, reason=error.strerror)
            self._begin(result.order, result)
            return
        self._begin(result.order, None)

    async def finish(self, deadline: float) -> None:
        """Wait until all is delivered, or some time of the loop's clock; what is not is kept."""
        tasks = list(self._tasks.values())
        if tasks:
            seconds = deadline - asyncio.get_running_loop().time()
            _, late = await asyncio.wait(tasks, timeout=max(0.0, seconds))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, order: int, result: Result | None) -> None:
        task = asyncio.create_task(self._deliver(order, result))
        self._tasks[order] = task
        self._report.kept(order)
        task.add_done_callback(lambda _: self._ended(order))

    def _ended(self, order: int) -> None:
        del self._tasks[order]
        self.freed.set()

    async def _deliver(self, order: int, held: Result | None) -> None:
        pause = _FIRST_PAUSE
        try:
            while not await self._try(order, held):
                # Not all at the same moment, when a registrar comes back.
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(_LONGEST_PAUSE, pause * 2)
        except OSError as error:
            log.error("a result cannot be read", order=order, reason=error.strerror)
            self._report.delivered(order, taken=False)

    async def _try(self, order: int, held: Result | None) -> bool:
        """Return whether there is nothing left to be done."""
        async with self._places:
            # Read each time: a result that waits for long takes no memory.
            result = held or self._keeping.result(order)
            if result is None:
                self._report.delivered(order, taken=False)
                return True
            if datetime.datetime.now(datetime.UTC) >= result.ends_at:
                log.warning("a result could not be delivered in time", order=order)
                return self._done(order, taken=False)
            try:
                await self._client.post_result(order, result.octets)
            except RegistrarError as error:
                reason = str(error)
                if error.is_temporary:
                    log.info("a result is to be delivered again", order=order, reason=reason)
                    return False
                log.error("the registrar does not take a result", order=order, reason=reason)
                return self._done(order, taken=False)
        log.info("result delivered", order=order)
        return self._done(order, taken=True)

    def _done(self, order: int, *, taken: bool) -> bool:
        self._report.delivered(order, taken=taken)
        if taken:
            self.on_taken(order)
        try:
            self._keeping.drop_result(order)
        except OSError as error:
            # It is delivered once more at the next start, which does no harm.
            log.warning("a result cannot be removed", order=order, reason=error.strerror)
        return True
