"""The administrator is told of each lock by the daily limit: once, and never not at all.

A lock is noted as told only after the MTA has taken the letter (250). A crash between the two
makes a second copy with the same Message-ID. In a farm the hosts take turns.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from countersign.gateway.clerk.letter import RECENT_SECONDS, lock_letter
from countersign.gateway.clerk.posting import Post
from countersign.gateway.clerk.telling import LOOK_SECONDS, tell_each, tell_for_ever
from countersign.gateway.config import Config
from countersign.storage.submission.entries import Entry
from countersign.storage.submission.tables import Lock, SubmissionTables
from countersign.storage.submission.turn import Turn
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

TURN_SECONDS: Final = 120.0

Recent = Callable[[str, float, float], Awaitable[Sequence[Entry]]]
"""Returns a user's entries of the journal between two times, the oldest first."""


class Notices:
    """Tells of locks."""

    def __init__(
        self,
        config: Config,
        tables: SubmissionTables,
        turn: Turn,
        recent: Recent,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock``: seconds since the epoch."""
        self._config = config
        self._tables = tables
        self._turn = turn
        self._recent = recent
        self._clock = clock
        self._post = Post(config)

    async def run(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Tell of locks until cancelled. look_seconds: how often to look for new ones."""
        try:
            await tell_for_ever("lock", self.tell_all, look_seconds)
        finally:
            await self._post.aclose()

    async def tell_all(self) -> int:
        """Tell of all that is untold; return how many letters were taken.

        Raises :class:`TablesUnavailableError` and
        :class:`~countersign.gateway.clerk.posting.LetterRefusedError`.
        """
        if not await self._tables.untold():
            return 0
        if not await self._turn.take(TURN_SECONDS):
            return 0
        try:
            # Asked again: another host may have told of them while we waited for our turn.
            return await tell_each(await self._tables.untold(), self._tell)
        finally:
            await self._turn.give_back()

    async def _tell(self, lock: Lock) -> bool:
        if not await self._turn.take(TURN_SECONDS):
            return False
        await self._post.send(await self._letter(lock))
        await self._tables.told(lock)
        log.info("administrator told of lock", since=lock.since, used=lock.used)
        return True

    async def _letter(self, lock: Lock) -> bytes:
        current = await self._tables.lock_of(lock.user)
        try:
            recent = await self._recent(lock.user, lock.since - RECENT_SECONDS, lock.since)
        except TablesUnavailableError:
            recent = None
        is_lifted = current is None or current.since != lock.since
        return lock_letter(self._config, lock, recent, is_lifted=is_lifted, now=self._clock())
