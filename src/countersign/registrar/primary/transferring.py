"""Transfers: the zone whole from the copy, or what has changed from the journal.

What is sent is one version, that of a snapshot, whatever is published meanwhile. A whole zone is
made message by message in the event loop, which goes on to others after each few; the
journal is read in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import structlog
from dns.rcode import Rcode

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.answering import Transfer
from countersign.registrar.primary.journal import (
    JournalError,
    Span,
    each_version,
    find_span,
    is_too_much,
    sum_of_versions,
)
from countersign.registrar.primary.served import Served, Zone
from countersign.registrar.primary.undigested import (
    nodes_without_digest,
    versions_without_digest,
)
from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import refuse, soa_answer
from countersign.registry.transfer.sending import answer_records, steps, whole_zone
from countersign.registry.zone.serial import is_newer

log = structlog.get_logger()
_T = TypeVar("_T")

_AT_ONCE = 4
"""Messages of a transfer that are made before anybody else has a turn."""
_OF_JOURNAL = 16
"""Messages that are made in a thread before they are sent."""
_SUMS = 2
"""Large sums of changes in memory at one time."""
_LITTLE = 1024 * 1024
"""Octets of changes whose sum counts for nothing."""
_WAIT_SECONDS = 4.0
"""How long a transfer waits for its turn: those who ask give up after 5 seconds or more."""


@dataclass(slots=True)
class Progress:
    """What became of a transfer so far."""

    kind: str = "axfr"
    """Its form, not what was asked for."""
    serial: int = 0
    is_refused: bool = False
    is_current: bool = False
    """The asker had the version already."""


class Transfers:
    """Makes the messages of transfers, a bounded number of whole zones at one time."""

    def __init__(self, office: Office, zone: Zone, threads: Executor) -> None:
        self._office = office
        self._zone = zone
        self._threads = threads
        self._turns = asyncio.Semaphore(office.config.primary.transfers)
        self._sums = asyncio.Semaphore(_SUMS)

    async def messages(self, transfer: Transfer, progress: Progress) -> AsyncGenerator[bytes, None]:
        """Give the messages of an answer.

        Raises :class:`CopyError`, :class:`NoZoneError`, :class:`JournalError`.
        """
        question = transfer.question
        if question.kind == wire.IXFR and question.serial is not None:
            with self._zone.view() as view:
                served = view.served
            if not is_newer(served.serial, question.serial):
                progress.is_current, progress.serial = True, served.serial
                yield soa_answer(question, served.soa, time.time())
                return
            made = self._changes(transfer, question.serial, served, progress)
            async with aclosing(made) as changes:
                async for messages in changes:
                    for message in messages:
                        yield message
            if progress.serial:
                return
        async with aclosing(self._whole(transfer, progress)) as whole:
            async for message in whole:
                yield message

    async def _whole(self, transfer: Transfer, progress: Progress) -> AsyncGenerator[bytes, None]:
        question = transfer.question
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            progress.is_refused = True
            yield refuse(question, Rcode.SERVFAIL, time.time())
            return
        try:
            with self._zone.view() as view:
                progress.kind, progress.serial = "axfr", view.served.serial
                nodes = view.snapshot.nodes()
                if transfer.peer.signs:
                    nodes = nodes_without_digest(nodes)
                records = whole_zone(view.served.soa, nodes)
                for count, message in enumerate(answer_records(question, records, time.time)):
                    yield message
                    if count % _AT_ONCE == _AT_ONCE - 1:
                        await asyncio.sleep(0)
        finally:
            self._turns.release()

    async def _changes(
        self, transfer: Transfer, serial: int, served: Served, progress: Progress
    ) -> AsyncGenerator[list[bytes], None]:
        """Give the messages of an incremental answer; none, if the whole zone is to be sent.

        That needs no database: whoever asks gets it while the database is away.
        """
        question = transfer.question
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                span = await self._in_thread(self._span, serial, served)
            if span is None:
                return
            is_sum = span.versions > self._office.config.primary.condense_versions
            async with self._turn_for_sum(span if is_sum else None):
                versions = each_version(self._office, span)
                if is_sum:
                    versions = iter([await self._in_thread(sum_of_versions, self._office, span)])
                if transfer.peer.signs:
                    versions = versions_without_digest(versions)
                records = steps(served.soa, versions)
                made = answer_records(question, records, time.time)
                progress.kind = "ixfr"
                while messages := await self._in_thread(_some, made):
                    progress.serial = served.serial
                    yield messages
        except (JournalError, TimeoutError) as error:
            if progress.serial:
                raise
            reason = str(error) or "too many at one time, or the database does not answer"
            log.info("whole zone instead of changes", reason=reason)

    async def _in_thread(self, call: Callable[..., _T], *values: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *values)

    @contextlib.asynccontextmanager
    async def _turn_for_sum(self, span: Span | None) -> AsyncIterator[None]:
        """Wait until a sum may be in memory. Raises :class:`TimeoutError`."""
        if span is None or span.octets < _LITTLE:
            yield
            return
        async with asyncio.timeout(_WAIT_SECONDS):
            await self._sums.acquire()
        try:
            yield
        finally:
            self._sums.release()

    def _span(self, serial: int, served: Served) -> Span | None:
        span = find_span(self._office, serial, served.serial)
        limit = self._office.config.primary.condense_versions
        if span is None or is_too_much(span, served.records, limit):
            return None
        return span


def _some(messages: Iterator[bytes]) -> list[bytes]:
    return list(islice(messages, _OF_JOURNAL))
