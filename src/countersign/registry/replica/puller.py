"""Follows the zone: learns of new serials, has them transferred, tells how it fares."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from countersign.registry.copy.errors import CopyError, DamagedCopyError
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.replica.asking import SerialAsker
from countersign.registry.replica.faults import (
    Fault,
    LostCopyError,
    ReplicaError,
    ShrunkError,
)
from countersign.registry.replica.keeper import Keeper
from countersign.registry.replica.line import Stopper
from countersign.registry.replica.metrics import ReplicaMetrics
from countersign.registry.replica.notes import Shrink
from countersign.registry.replica.polling import Answer, Poll
from countersign.registry.replica.primaries import Primaries, Waits
from countersign.registry.replica.reporting import Report
from countersign.registry.replica.settings import ReplicaConfig
from countersign.registry.replica.transfer import Order, Taken
from countersign.registry.replica.whole_check import check_whole
from countersign.registry.replica.words import Words
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.zone.names import zone_wire
from countersign.registry.zone.serial import is_newer, lag

log = structlog.get_logger()
_Result = TypeVar("_Result")

_FALL_BACK = frozenset({Fault.DIVERGED, Fault.DIGEST, Fault.MALFORMED, Fault.REFUSED})
"""After these faults of an incremental transfer the whole zone is asked for."""
_OF_THE_LINE = frozenset({Fault.UNREACHABLE, Fault.TOO_SLOW})
BROKEN_CHANGES = 3
"""After so many incremental transfers in a row that broke off, the whole zone is asked for: what
sends it may be unable to send just those."""
LEAST_SECONDS = 0.1
"""From one round to the next, however often NOTIFY comes: one of them can be sent again by anybody
who has seen it."""


class Puller:
    """Keeps a copy up to date until told to stop."""

    def __init__(self, config: ReplicaConfig, key: TsigKey, metrics: ReplicaMetrics) -> None:
        settings = config.replica
        self._config = config
        self._settings = settings
        self._key = key
        self._metrics = metrics
        asker = SerialAsker(
            zone_wire(config.zone), key, settings.source_address, settings.question_timeout
        )
        waits = Waits(
            settings.retry_seconds,
            settings.retry_max_seconds,
            settings.refused_seconds,
            settings.refused_max_seconds,
        )
        self._primaries = Primaries.of(settings.primaries, waits, settings.survey_seconds)
        self._stopper = Stopper()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._keeper: Keeper
        self._words = Words(config.directory)
        self._report = Report(config.directory, metrics)
        self._poll = Poll(self._primaries, asker, self._report, metrics)
        self._wake = asyncio.Event()
        self._seen: tuple[int, float] | None = None
        self._is_doubted = False
        self._broken: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the zone until ``stop`` is set. Raises :class:`ReplicaError` at its start."""
        try:
            self._keeper = await self._in_writer(
                functools.partial(Keeper, self._config, self._key, self._stopper)
            )
            try:
                meta = await self._in_writer(self._keeper.meta)
                self._is_doubted = meta is not None and meta.is_doubted
                await self._follow_until(stop)
            finally:
                await self._in_writer(self._keeper.close)
        finally:
            self._writer.shutdown()

    def notified(self, address: str, serial: int | None) -> None:
        """Take a NOTIFY that was proven: ask at once. ``address``: who sent it."""
        log.debug("notified", primary=address, serial=serial)
        self._poll.notified(address)
        self._wake.set()

    async def _follow_until(self, stop: asyncio.Event) -> None:
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._check_at_times())]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            # A transfer breaks off at its next octet; what is being committed gets committed.
            self._stopper.stop()
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            began = time.monotonic()
            await self._round()
            now = time.monotonic()
            wait = max(self._settings.poll_seconds, self._primaries.next_due(now))
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(began + LEAST_SECONDS - time.monotonic())

    # -- one round ---------------------------------------------------------------------------

    async def _round(self) -> None:
        """Ask, transfer if there is something new, report. Raises :class:`LostCopyError`."""
        if self._words.look():
            for primary in self._primaries.all:
                primary.transferred()
        self._report.begin()
        try:
            meta = await self._in_writer(self._keeper.meta)
            answers = await self._poll.ask(meta.serial if meta is not None else None)
            if not await self._take_newest(answers, meta):
                await self._confirm(answers, meta)
            meta = await self._in_writer(self._keeper.meta)
        except LostCopyError:
            raise
        except ReplicaError as error:
            self._report.failed("", error)
            meta = None
        await asyncio.to_thread(self._report.end, meta)

    async def _take_newest(self, answers: list[Answer], meta: CopyMeta | None) -> bool:
        """Transfer from whoever has the newest; True: it is settled, for good or bad."""
        newer = [one for one in answers if self._is_wanted(one.soa.serial, meta)]
        if not newer:
            return False
        whole = meta is None or self._words.reset or self._is_doubted
        base = meta.serial if meta is not None else newer[0].soa.serial
        newer.sort(key=lambda one: lag(base, one.soa.serial), reverse=True)
        if meta is not None and self._seen is None:
            self._seen = (newer[0].soa.serial, time.monotonic())
        for answer in newer:
            if not answer.primary.may_transfer(time.monotonic()):
                self._report.still_failing(answer.primary.endpoint)
            elif await self._transfer(answer, whole=whole):
                break
        return True

    def _is_wanted(self, serial: int, meta: CopyMeta | None) -> bool:
        if meta is None or self._words.reset:
            return True
        least = 0 if self._is_doubted else 1
        return lag(meta.serial, serial) >= least

    async def _transfer(self, answer: Answer, *, whole: bool) -> bool:
        """Transfer from a primary; False: it failed, and was reported."""
        primary = answer.primary
        try:
            taken = await self._take(answer, whole=whole)
        except ReplicaError as error:
            if isinstance(error, LostCopyError):
                raise
            if error.fault is Fault.STOPPED:
                return True
            now = time.monotonic()
            (primary.taking if error.is_of_content else primary.connecting).failed(now)
            self._report.failed(primary.endpoint, error)
            if isinstance(error, ShrunkError):
                self._report.shrunk(Shrink(error.serial, error.before, error.after))
            return False
        primary.transferred()
        self._primaries.remember(primary)
        self._took(taken)
        return True

    async def _take(self, answer: Answer, *, whole: bool) -> Taken:
        endpoint = answer.primary.endpoint
        whole = whole or self._broken[endpoint] >= BROKEN_CHANGES
        try:
            taken = await self._order(answer, whole=whole)
        except ReplicaError as error:
            is_broken = error.fault in _OF_THE_LINE and not whole
            self._broken[endpoint] = self._broken[endpoint] + 1 if is_broken else 0
            if whole or error.fault not in _FALL_BACK:
                raise
            log.warning(
                "changes not taken, the whole zone is asked for",
                primary=answer.primary.endpoint,
                reason=str(error),
            )
            return await self._order(answer, whole=True)
        self._broken[endpoint] = 0
        return taken

    async def _order(self, answer: Answer, *, whole: bool) -> Taken:
        order = Order(
            answer.primary.endpoint,
            whole,
            answer.checked_at,
            self._words.may_shrink_to,
            any_serial=self._words.reset,
        )
        kind = "axfr" if whole else "ixfr"
        await asyncio.to_thread(self._report.transfers, kind, order.endpoint)
        try:
            taken = await self._in_writer(functools.partial(self._keeper.take, order))
        except ReplicaError as error:
            self._metrics.transferred(kind, error.fault.value)
            raise
        self._metrics.transferred(taken.kind, "taken", taken.changes)
        return taken

    def _took(self, taken: Taken) -> None:
        serial = taken.meta.serial
        self._is_doubted = False
        self._words.acted()
        waited = None
        if self._seen is not None and not is_newer(self._seen[0], serial):
            waited = time.monotonic() - self._seen[1]
            self._seen = None
        self._report.took(taken, waited)

    async def _confirm(self, answers: list[Answer], meta: CopyMeta | None) -> None:
        """Note what it means that nobody has anything newer."""
        self._seen = None
        if meta is None:
            return
        equal = [answer for answer in answers if answer.soa.serial == meta.serial]
        if not equal:
            self._report.behind(
                [(one.primary.endpoint, one.soa.serial) for one in answers], meta.serial
            )
            return
        self._primaries.remember(equal[0].primary)
        # Not by one that has lost its own primary what another has confirmed since; but a time
        # to come was noted before the clock was set back.
        known = meta.checked_at if meta.checked_at <= time.time() else 0.0
        checked_at = max(known, *(answer.checked_at for answer in equal))
        await self._in_writer(functools.partial(self._keeper.confirm, checked_at))
        self._report.confirmed(equal[0].primary.endpoint)

    # -- the whole copy ----------------------------------------------------------------------

    async def _check_at_times(self) -> None:
        """Go through the whole copy now and then. Raises :class:`LostCopyError`."""
        while True:
            await asyncio.sleep(self._settings.full_check_seconds)
            if self._is_doubted:
                continue
            try:
                meta = await asyncio.to_thread(
                    check_whole, self._config.directory, self._stopper.check
                )
            except (ReplicaError, DamagedCopyError) as error:
                await self._found_wrong(error)
            except CopyError as error:
                log.warning("the copy could not be checked", reason=str(error))
            else:
                self._metrics.checked("good")
                log.info("the whole copy was checked", serial=meta.serial, records=meta.records)

    async def _found_wrong(self, reason: ReplicaError | DamagedCopyError) -> None:
        if isinstance(reason, ReplicaError) and reason.fault is not Fault.DIGEST:
            return
        log.error("the copy is not whole and is transferred anew", reason=str(reason))
        self._metrics.checked("bad")
        if isinstance(reason, DamagedCopyError):
            raise await self._in_writer(functools.partial(self._keeper.discard, reason))
        self._is_doubted = True
        try:
            await self._in_writer(self._keeper.doubt)
        except LostCopyError:
            raise
        except ReplicaError as error:
            log.error("readers are not told that the copy is not whole", reason=str(error))
        self._wake.set()

    async def _in_writer(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)
