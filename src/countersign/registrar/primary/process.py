"""The primary's process: wires its parts, and runs them until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from countersign.registrar.beside.program import Ready, first_of, stopping
from countersign.registrar.opening import OpeningError
from countersign.registrar.operations.office import Office
from countersign.registrar.primary.answering import Answering
from countersign.registrar.primary.connection import Desk
from countersign.registrar.primary.following import Follower, Register
from countersign.registrar.primary.history import History
from countersign.registrar.primary.keeping import Keeper
from countersign.registrar.primary.limits import RateLimit
from countersign.registrar.primary.line import split_endpoint
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.monitoring import Monitor
from countersign.registrar.primary.notifying import Notifier
from countersign.registrar.primary.overtaking import Overtaker
from countersign.registrar.primary.served import Zone
from countersign.registrar.primary.serving import Serving, Sockets
from countersign.registrar.primary.states import States
from countersign.registrar.primary.storing import load_states
from countersign.registrar.primary.transferring import Transfers
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registry.copy.errors import CopyError, DeletedCopyError
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.names import OwnerNameError
from countersign.storage.database.watching import ZONE, Watcher

log = structlog.get_logger()

_THREADS = 8
_NO_LISTENER = "primary.listen is empty: name the address on which secondaries reach this primary"


class Primary:
    """All parts of a primary."""

    def __init__(
        self, office: Office, copy: ZoneCopy, sockets: Sockets, metrics: PrimaryMetrics
    ) -> None:
        """To be made in the event loop."""
        settings = office.config.primary
        self._office = office
        self._sockets = sockets
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="primary")
        self._zone = Zone(office.config.zone)
        self._zone.open(copy.reader())
        self._history = History()
        with office.reading() as work:
            self._states = States(self._history, load_states(work))
        self._register = Register(office, self._threads, changed=self._tell)
        known = self._register.known
        sources = [split_endpoint(address)[0] for address in sockets.addresses]
        self._notifier = Notifier(
            office,
            self._zone,
            self._states,
            metrics,
            known=known,
            sources=sources,
            acknowledged=self._check_soon,
        )
        self._monitor = Monitor(
            office,
            self._zone,
            self._states,
            metrics,
            known=known,
            sources=sources,
            tell=self._notifier.tell,
        )
        self._keeper = Keeper(
            office,
            self._states,
            self._threads,
            known=known,
            overtake=Overtaker(office, copy).overtake,
        )
        self._follower = Follower(
            office,
            self._zone,
            copy,
            self._history,
            self._threads,
            published=self._notifier.tell_all,
        )
        self._serving = Serving(
            Desk(
                office,
                Answering(office, self._zone, self._states, metrics, known),
                Transfers(office, self._zone, self._threads),
                self._states,
                metrics,
                RateLimit(settings.requests_per_second),
            )
        )

    async def run(self, ready: Callable[[list[str]], None], stop: asyncio.Event) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(CopyError):
            # What is there already is served from the first moment on.
            self._zone.look()
        await self._register.look()
        await self._serving.start(self._sockets)
        ready(self._sockets.addresses)
        tasks = [
            asyncio.create_task(part.run())
            for part in (self._follower, self._register, self._monitor, self._keeper)
        ]

        def ring() -> None:
            # The watcher's thread may be a moment longer there than the loop.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ring)

        try:
            with Watcher(self._office.database, ZONE, ring):
                await first_of(stop, tasks)
        finally:
            await self._serving.stop()
            await self._notifier.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # The copy is closed next: nobody may be at it any more.
            await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    def _ring(self) -> None:
        self._follower.ring()
        self._register.ring()

    def _tell(self, secondary_id: int) -> None:
        self._notifier.tell(secondary_id)

    def _check_soon(self, secondary_id: int) -> None:
        self._monitor.check_soon(secondary_id)


def run_primary(
    office: Office,
    *,
    ready: Ready,
    registry: CollectorRegistry | None = None,
    lifeline: int | None = None,
) -> None:
    """Serve the zone until it is time to stop; see `beside/program.py`.

    Raises :class:`OpeningError`.
    """
    if not office.config.primary.listen:
        raise OpeningError(_NO_LISTENER)
    _allow_many_files()
    metrics = PrimaryMetrics(registry)
    sockets = Sockets()
    try:
        sockets.bind(office.config.primary.listen)
        is_deleted = True
        while is_deleted:
            with open_zone_copy(office) as copy:
                is_deleted = uvloop.run(
                    _run(office, copy, sockets, metrics, ready=ready, lifeline=lifeline)
                )
            ready = _said
    except (CopyError, OwnerNameError) as error:
        raise OpeningError(str(error)) from error
    finally:
        sockets.close()
    log.info("primary has stopped")


async def _run(
    office: Office,
    copy: ZoneCopy,
    sockets: Sockets,
    metrics: PrimaryMetrics,
    *,
    ready: Callable[[list[str]], None],
    lifeline: int | None,
) -> bool:
    """Serve until it is time to stop, or the copy was deleted: tell whether it was."""
    async with stopping(lifeline) as stop:
        primary = Primary(office, copy, sockets, metrics)
        log.info("primary serves", zone=office.config.zone, listen=sockets.addresses)
        try:
            await primary.run(ready, stop)
        except DeletedCopyError:
            log.warning("the copy of the zone was deleted: another one is begun")
            return True
    return False


def _said(_: list[str]) -> None:
    """Say nothing: where it listens was told."""


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
