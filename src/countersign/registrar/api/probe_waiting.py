"""Probes that wait for orders: with neither a thread nor a connection to the database each.

One look a second at the database is made for all of them together, and none while nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from countersign.registrar.operations.office import Office
from countersign.registrar.operations.probe_orders import has_order
from countersign.registrar.operations.probes import MOST_PROBES
from countersign.storage.database.probing import Probe, ProbeOrder

log = structlog.get_logger()

LOOK_SECONDS = 1.0
MOST_WAITING = MOST_PROBES


@dataclass(frozen=True, slots=True)
class _Waiter:
    future: asyncio.Future[bool]
    held: frozenset[int]


class WaitingRoom:
    """Where the probes of one process wait. Used by its event loop only."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._waiting: dict[int, _Waiter] = {}
        self._looking: asyncio.Task[None] | None = None
        self.is_stopping: Callable[[], bool] = lambda: False
        """Tells whether the service stops: nobody waits then."""

    async def wait(self, probe: int, seconds: float, held: frozenset[int]) -> bool:
        """Wait until there may be an order for a probe; False: there was none.

        held: orders that do not count. A probe that waits already no longer does: it has lost
        that connection, or is there twice.
        """
        before = self._waiting.pop(probe, None)
        if before is not None and not before.future.done():
            before.future.set_result(False)
        if len(self._waiting) >= MOST_WAITING:
            return False
        waiter = _Waiter(asyncio.get_running_loop().create_future(), held)
        self._waiting[probe] = waiter
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                return await waiter.future
        except TimeoutError:
            return False
        finally:
            if self._waiting.get(probe) is waiter:
                del self._waiting[probe]

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            if self.is_stopping():
                self._tell(set(self._waiting), found=False)
                return
            try:
                found = await run_in_threadpool(self._with_orders, dict(self._waiting))
            except SQLAlchemyError as error:
                log.warning("orders cannot be looked for", reason=type(error).__name__)
                continue
            self._tell(found, found=True)

    def _tell(self, probes: set[int], *, found: bool) -> None:
        for probe in probes:
            waiter = self._waiting.get(probe)
            if waiter is not None and not waiter.future.done():
                waiter.future.set_result(found)

    def _with_orders(self, waiting: Mapping[int, _Waiter]) -> set[int]:
        """Return the probes among those who wait for whom there is something."""
        with self._office.reading() as work:
            some = work.session.scalars(
                select(ProbeOrder.probe_id).where(ProbeOrder.ended_at.is_(None)).distinct()
            )
            found: set[int] = set()
            for key in set(some) & set(waiting):
                probe = work.session.get(Probe, key)
                if probe is not None and has_order(work, probe, waiting[key].held):
                    found.add(key)
        return found
