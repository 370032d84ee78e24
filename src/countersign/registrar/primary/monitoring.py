"""Asks secondaries for their serial: each at its time, and a moment after it was notified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.asking import NoAnswerError, RefusedError, ask_serial
from countersign.registrar.primary.known import Known, Peer
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.served import Zone
from countersign.registrar.primary.states import States
from countersign.registry.zone.serial import is_newer

log = structlog.get_logger()

SOON_SECONDS = 1.0
"""After a NOTIFY was acknowledged; if it is not up to date then, twice as long each time."""
_AT_ONCE = 64


class Monitor:
    """Looks after all secondaries that can be asked."""

    def __init__(
        self,
        office: Office,
        zone: Zone,
        states: States,
        metrics: PrimaryMetrics,
        *,
        known: Callable[[], Known],
        sources: Sequence[str],
        tell: Callable[[int], None],
    ) -> None:
        """tell: notifies a secondary once more."""
        self._office = office
        self._zone = zone
        self._states = states
        self._metrics = metrics
        self._known = known
        self._sources = sources
        self._tell = tell
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._soon: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Ask all, again and again."""
        try:
            while True:
                await asyncio.sleep(self._office.config.primary.check_seconds)
                peers = list(self._known().peers.values())
                ended = await asyncio.gather(
                    *(self._look(peer) for peer in peers), return_exceptions=True
                )
                for fault in filter(None, ended):
                    log.error(
                        "secondary not looked at because of a fault", reason=repr(fault)[:200]
                    )
        finally:
            for task in self._soon.values():
                task.cancel()

    def check_soon(self, secondary_id: int) -> None:
        """Ask one in a moment, and then until it is up to date or all are asked anyway."""
        if secondary_id in self._soon:
            return
        task = asyncio.create_task(self._follow(secondary_id))
        self._soon[secondary_id] = task
        task.add_done_callback(lambda _: self._soon.pop(secondary_id, None))

    async def _follow(self, secondary_id: int) -> None:
        pause = SOON_SECONDS
        while pause < self._office.config.primary.check_seconds:
            await asyncio.sleep(pause)
            peer = self._known().peers.get(secondary_id)
            if peer is None or not peer.ask or await self._check(peer):
                return
            pause *= 2

    async def _look(self, peer: Peer) -> None:
        """Ask one, and notify it again if it is behind."""
        if peer.ask:
            await self._check(peer)
        state, current = self._states.of(peer.id), self._zone.current
        if current and state.serial is not None and is_newer(current.serial, state.serial):
            self._tell(peer.id)

    async def _check(self, peer: Peer) -> bool:
        """Ask one; tell whether it is up to date."""
        try:
            async with self._turns:
                serial = await ask_serial(
                    peer.ask, self._zone.name, peer.keys, sources=self._sources
                )
        except (NoAnswerError, RefusedError) as error:
            is_refused = isinstance(error, RefusedError)
            self._metrics.checked("refused" if is_refused else "unanswered")
            text = f"question for the serial to {peer.ask}: {error}"
            self._states.failed(peer.id, self._office.clock(), text)
            return False
        self._metrics.checked("answered")
        self._states.heard(peer.id, self._office.clock(), serial=serial)
        is_current = self._zone.current is not None and serial == self._zone.current.serial
        if is_current:
            self._states.is_well(peer.id)
        return is_current
