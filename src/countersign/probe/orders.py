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
MOST_HELD = 2000
"""Orders that the registrar is told of: see `certification.exchange.OrdersWanted`."""


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
        self._held: dict[int, datetime.datetime] = {}
        """When each order ends that was begun, and whose result the registrar does not have."""
        delivery.on_taken = self._forget
        self.freed = delivery.freed
        """Set whenever there may be room."""

    @property
    def count(self) -> int:
        """How many are at work."""
        return len(self._tasks)

    def held(self, now: datetime.datetime) -> tuple[int, ...]:
        """Return the orders that the registrar is not to send again.

        Those that were given up are among them, until their time is over.
        """
        self._held = {key: ends_at for key, ends_at in self._held.items() if ends_at > now}
        numbers = sorted({*self._held, *self._delivery.numbers})
        return tuple(numbers[-MOST_HELD:])

    def take_up(self, now: datetime.datetime) -> None:
        """Begin the orders again in whose midst the probe was ended."""
        for number, kept in self._keeping.orders().items():
            if self._delivery.has(number) or not self._begin(
                KeptOrder(kept.signed, kept.begun + 1), now
            ):
                self._keeping.drop_order(number)

    def take(self, signed: SignedOrder, now: datetime.datetime) -> bool:
        """Begin an order that has come; False: it is not good."""
        return self._begin(KeptOrder(signed, 1), now)

    def _forget(self, order: int) -> None:
        self._held.pop(order, None)

    async def finish(self, deadline: float) -> None:
        """Wait until all have ended, or some time of the loop's clock; the others are given up."""
        tasks = list(self._tasks.values())
        if tasks:
            seconds = deadline - asyncio.get_running_loop().time()
            _, late = await asyncio.wait(tasks, timeout=max(0.0, seconds))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, kept: KeptOrder, now: datetime.datetime) -> bool:
        try:
            order = checked_order(kept.signed, self._key, self._probe, now)
        except RefusedError as error:
            log.error("an order is refused", reason=str(error))
            self._report.metrics.order("refused")
            return False
        if order.id in self._held or self._delivery.has(order.id):
            # The registrar did not hear that it was taken.
            return True
        self._held[order.id] = order.ends_at
        if kept.begun > MOST_BEGINNINGS:
            log.error("an order is given up: the probe ended in its midst", order=order.id)
            self._report.metrics.order("given-up")
            return False
        try:
            self._keeping.keep_order(order.id, kept)
        except OSError as error:
            log.error("an order cannot be kept", order=order.id, reason=error.strerror)
        self._report.metrics.order("taken")
        log.info("order taken", order=order.id, host=order.assignment.host, begun=kept.begun)
        task = asyncio.create_task(self._work(order))
        self._tasks[order.id] = task
        task.add_done_callback(lambda _: self._ended(order.id))
        return True

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
