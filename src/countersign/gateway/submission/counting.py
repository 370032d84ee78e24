"""Counting that nothing disturbs: a message given up on the way counts nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

from countersign.storage.submission.tables import Counted, Lock, SubmissionTables
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()


class Counting:
    """Counts in the tables; who waits for it may be cancelled at any time."""

    def __init__(self, tables: SubmissionTables) -> None:
        self._tables = tables
        self._undoing: set[asyncio.Task[None]] = set()

    async def reserve(
        self, user: str, recipients: int, limit: int | None, now: float
    ) -> Counted | Lock:
        """Count as :meth:`SubmissionTables.reserve` does; cancelled, it is as if it was not."""
        step = asyncio.ensure_future(self._tables.reserve(user, recipients, limit, now))
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            # It may be done by now, or will be.
            await self._to_its_end(self._undo(step))
            raise

    async def release(self, reservation: str) -> None:
        """Take a message back, also if the caller is cancelled. It raises nothing else."""
        await self._to_its_end(self._release(reservation))

    async def _undo(self, step: asyncio.Future[Counted | Lock]) -> None:
        try:
            counted = await step
        except TablesUnavailableError:
            return
        if isinstance(counted, Counted):
            await self._release(counted.reservation)

    async def _release(self, reservation: str) -> None:
        try:
            await self._tables.release(reservation)
        except TablesUnavailableError as error:
            # Counted though it was not sent: on the safe side, and gone in 24 hours.
            log.warning("count not taken back", reason=str(error))

    async def _to_its_end(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
        await asyncio.shield(task)
