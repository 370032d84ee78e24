"""Asks the registrar for orders, as long as there is room for more."""

from __future__ import annotations

import asyncio
import datetime
import random

from countersign.certification.exchange import LONGEST_WAIT
from countersign.probe.client import RegistrarClient, RegistrarError
from countersign.probe.delivering import Delivery
from countersign.probe.orders import Orders
from countersign.probe.reporting import Reporting

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class Polling:
    """The loop that asks."""

    def __init__(
        self,
        client: RegistrarClient,
        orders: Orders,
        delivery: Delivery,
        report: Reporting,
        concurrency: int,
    ) -> None:
        self._client = client
        self._orders = orders
        self._delivery = delivery
        self._report = report
        self._concurrency = concurrency

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until ``stop`` is set."""
        asking = asyncio.create_task(self._ask_on())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((asking, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not asking.done():
            asking.cancel()
            await asyncio.wait((asking,))
        if not asking.cancelled():
            asking.result()

    async def _ask_on(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await self._room()
            try:
                signed = await self._client.next_order(LONGEST_WAIT, self._held())
            except RegistrarError as error:
                self._report.failed(str(error))
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause = _FIRST_PAUSE
            self._report.answered()
            if signed is not None:
                self._orders.take(signed, datetime.datetime.now(datetime.UTC))

    def _held(self) -> tuple[int, ...]:
        return tuple(sorted({*self._orders.numbers, *self._delivery.numbers}))

    async def _room(self) -> None:
        """Wait until one more order may be taken: results that wait count, too."""
        while self._orders.count + self._delivery.count >= self._concurrency:
            self._delivery.freed.clear()
            await self._delivery.freed.wait()
