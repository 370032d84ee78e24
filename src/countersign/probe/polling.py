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
_SHORTEST_WAIT = 1.0


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
        self._has_come = False

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
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            await self._room()
            asked_at = loop.time()
            if await self._ask():
                pause = _FIRST_PAUSE
                if loop.time() - asked_at < _SHORTEST_WAIT and not self._has_come:
                    # It did not keep us waiting: it is being stopped, or another has our key.
                    await asyncio.sleep(_SHORTEST_WAIT * random.uniform(1, 3))  # noqa: S311
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _ask(self) -> bool:
        """Ask once; return whether all was well."""
        now = datetime.datetime.now(datetime.UTC)
        self._has_come = False
        try:
            signed = await self._client.next_order(LONGEST_WAIT, self._orders.held(now))
        except RegistrarError as error:
            self._report.failed(str(error))
            return False
        self._report.answered()
        if signed is None:
            return True
        self._has_come = True
        # One that is refused is sent again: not at once.
        return self._orders.take(signed, datetime.datetime.now(datetime.UTC))

    async def _room(self) -> None:
        """Wait until one more order may be taken: results that wait count, too."""
        while self._orders.count + self._delivery.count >= self._concurrency:
            self._delivery.freed.clear()
            await self._delivery.freed.wait()
