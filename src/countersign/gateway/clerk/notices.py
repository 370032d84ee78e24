"""The administrator is told of each lock by the daily limit: once, and never not at all.

A lock is noted as told only after the MTA has taken the letter (250). A crash between the two
makes a second copy with the same Message-ID. In a farm the hosts take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from countersign.gateway.backend.interface import BackendSession, ClientFacts
from countersign.gateway.backend.proxy import ProxyBackend
from countersign.gateway.clerk.letter import RECENT_SECONDS, administrator_of, lock_letter
from countersign.gateway.config import Config
from countersign.protocol.command import Envelope
from countersign.protocol.reply import Reply
from countersign.storage.submission.entries import Entry
from countersign.storage.submission.tables import Lock, SubmissionTables
from countersign.storage.submission.turn import Turn
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0
"""How often it is asked whether there is a lock to tell of."""
MAX_BACK_OFF: Final = 300.0
"""Seconds between two tries, at most, while the MTA takes no letter."""
TURN_SECONDS: Final = 120.0
LETTER_SECONDS: Final = 60.0
"""One letter may take so long: well within the turn."""

Recent = Callable[[str, float, float], Awaitable[Sequence[Entry]]]
"""Returns a user's entries of the journal between two times, the oldest first."""


class LetterRefusedError(Exception):
    """The MTA did not take a letter."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(str(answer))
        self.is_permanent = answer.is_permanent


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
        self._backend = ProxyBackend(config.submission.backend, config.hostname)

    async def run(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Tell of locks until cancelled. look_seconds: how often to look for new ones."""
        failures = 0
        try:
            while True:
                try:
                    await self.tell_all()
                    failures = 0
                except (TablesUnavailableError, LetterRefusedError) as error:
                    failures += 1
                    log.error("administrator not told of lock yet", reason=str(error))
                await asyncio.sleep(min(MAX_BACK_OFF, look_seconds * 2**failures))
        finally:
            await self._backend.close()

    async def tell_all(self) -> int:
        """Tell of all that is untold; return how many letters were taken.

        Raises :class:`TablesUnavailableError` and :class:`LetterRefusedError`.
        """
        if not await self._tables.untold():
            return 0
        if not await self._turn.take(TURN_SECONDS):
            return 0
        try:
            # Asked again: another host may have told of them while we waited for our turn.
            return await self._tell(await self._tables.untold())
        finally:
            await self._turn.give_back()

    async def _tell(self, locks: Sequence[Lock]) -> int:
        told, refused = 0, None
        for lock in locks:
            if not await self._turn.take(TURN_SECONDS):
                break
            try:
                await self._send(await self._letter(lock))
            except LetterRefusedError as error:
                if not error.is_permanent:
                    raise
                refused = error
                continue
            await self._tables.told(lock)
            told += 1
            log.info("administrator told of lock", since=lock.since, used=lock.used)
        if refused is not None:
            raise refused
        return told

    async def _letter(self, lock: Lock) -> bytes:
        current = await self._tables.lock_of(lock.user)
        try:
            recent = await self._recent(lock.user, lock.since - RECENT_SECONDS, lock.since)
        except TablesUnavailableError:
            recent = None
        is_lifted = current is None or current.since != lock.since
        return lock_letter(self._config, lock, recent, is_lifted=is_lifted, now=self._clock())

    async def _send(self, letter: bytes) -> None:
        """Hand a letter to the MTA; returns after its 250. Raises :class:`LetterRefusedError`."""
        session = self._backend.session()
        try:
            async with asyncio.timeout(LETTER_SECONDS):
                await self._converse(session, letter)
        except TimeoutError:
            await session.abandon()
            raise LetterRefusedError(_TIMED_OUT) from None
        finally:
            await session.close()

    async def _converse(self, session: BackendSession, letter: bytes) -> None:
        name = self._config.hostname
        facts = ClientFacts("127.0.0.1", 0, "127.0.0.1", 0, name, extended=True)
        recipient = Envelope(None, f"<{administrator_of(self._config)}>")
        # The null sender: what cannot be delivered is not returned to us (RFC 3834 §4).
        _require(await session.mail(facts, Envelope(None, "<>")))
        _require(await session.rcpt(recipient))
        _require(await session.data(), intermediate=True)
        await session.content(letter)
        _require(await session.end_of_content())


_TIMED_OUT = Reply(451, ("4.4.2 the mail system did not take the letter in time",))


def _require(answer: Reply, *, intermediate: bool = False) -> None:
    if not (answer.is_intermediate if intermediate else answer.is_positive):
        raise LetterRefusedError(answer)
