"""The orders that are worked on, each in a task of its own."""

from __future__ import annotations

import asyncio
import datetime

import structlog

from countersign.certification.assignment import Order
from countersign.certification.exchange import SignedOrder
from countersign.certification.standpoint import Standpoint
from countersign.probe.delivering import Delivery
from countersign.probe.enrolment import KeyFile
from countersign.probe.keeping import Keeping, KeptOrder, Result
from countersign.probe.notes import AtWork
from countersign.probe.reporting import Reporting
from countersign.probe.sizing import result_octets
from countersign.probe.working import RefusedError, carry_out, checked_order

log = structlog.get_logger()

MOST_BEGINNINGS = 3
"""An order in whose midst the probe was killed so often is not begun again."""


class Orders:
    """What is at work."""

    def __init__(
        self,
        key_file: KeyFile,
        standpoint: Standpoint,
        keeping: Keeping,
        delivery: Delivery,
        report: Reporting,
    ) -> None:
        self._probe = key_file.id
        self._key = key_file.registrar_key
        self._standpoint = standpoint
        self._keeping = keeping
        self._delivery = delivery
        self._report = report
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.freed = delivery.freed
        """Set whenever there may be room."""

    @property
    def count(self) -> int:
        """How many are at work."""
        return len(self._tasks)

    @property
    def numbers(self) -> frozenset[int]:
        """The orders' numbers."""
        return frozenset(self._tasks)

    def take_up(self, now: datetime.datetime) -> None:
        """Begin the orders again in whose midst the probe was ended."""
        for number, kept in self._keeping.orders().items():
            if kept.begun >= MOST_BEGINNINGS or self._delivery.has(number):
                self._keeping.drop_order(number)
            else:
                self._begin(KeptOrder(kept.signed, kept.begun + 1), now)

    def take(self, signed: SignedOrder, now: datetime.datetime) -> None:
        """Begin an order that has come, if it is good."""
        self._begin(KeptOrder(signed, 1), now)

    async def finish(self, deadline: float) -> None:
        """Wait until all have ended, or some time of the loop's clock; the others are given up."""
        tasks = list(self._tasks.values())
        if tasks:
            seconds = deadline - asyncio.get_running_loop().time()
            _, late = await asyncio.wait(tasks, timeout=max(0.0, seconds))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, kept: KeptOrder, now: datetime.datetime) -> None:
        try:
            order = checked_order(kept.signed, self._key, self._probe, now)
        except RefusedError as error:
            log.error("an order is refused", reason=str(error))
            self._report.metrics.order("refused")
            return
        if order.id in self._tasks or self._delivery.has(order.id):
            # The registrar did not hear that it was taken.
            return
        try:
            self._keeping.keep_order(order.id, kept)
        except OSError as error:
            log.error("an order cannot be kept", order=order.id, reason=error.strerror)
        self._report.metrics.order("taken")
        log.info("order taken", order=order.id, host=order.assignment.host, begun=kept.begun)
        task = asyncio.create_task(self._work(order))
        self._tasks[order.id] = task
        task.add_done_callback(lambda _: self._ended(order.id))

    def _ended(self, order: int) -> None:
        del self._tasks[order]
        self._report.ended(order)
        self.freed.set()

    async def _work(self, order: Order) -> None:
        began = datetime.datetime.now(datetime.UTC).timestamp()
        host, ends_at = order.assignment.host, order.ends_at
        self._report.begun(AtWork(order.id, host, began, ends_at.timestamp()))
        result = await carry_out(order, self._standpoint)
        if result is None:
            self._report.metrics.battery("none")
            self._keeping.drop_order(order.id)
            return
        self._report.metrics.battery(str(result.verdict))
        octets = await asyncio.to_thread(result_octets, result)
        log.info("tests ended", order=order.id, host=host, octets=len(octets))
        self._delivery.deliver(Result(order.id, ends_at, octets))
