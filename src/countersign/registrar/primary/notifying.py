"""Tells secondaries of each new version (RFC 1996): at once, all at the same time, until they know.

A newer version takes the place of one that is still being told of. To each address there is one
dialogue at a time; versions that follow closely on one another are told of together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.asking import NoAnswerError, RefusedError, notify
from countersign.registrar.primary.known import Known, Peer
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.served import Served, Zone
from countersign.registrar.primary.states import States
from countersign.registry.transfer.keys import TsigKey

log = structlog.get_logger()

GAP_SECONDS = 0.1
"""Between two versions that one address is told of."""
_AT_ONCE = 256
"""First attempts at one time."""
_LATE_AT_ONCE = 128
"""Addresses that did not answer at once, which must not keep the others waiting."""
_LONGEST_TEXT = 200


@dataclass(slots=True, eq=False)
class _Call:
    """A dialogue with one address."""

    began: float
    """When it sends, in monotonic seconds."""
    peer: Peer
    task: asyncio.Task[None]
    serial: int | None = None
    """What it tells of; None: it has not sent yet."""


class Notifier:
    """Tells all secondaries what is served."""

    def __init__(
        self,
        office: Office,
        zone: Zone,
        states: States,
        metrics: PrimaryMetrics,
        *,
        known: Callable[[], Known],
        sources: Sequence[str],
        acknowledged: Callable[[int], None],
    ) -> None:
        """acknowledged: called with a secondary's id when it knows."""
        self._office = office
        self._zone = zone
        self._states = states
        self._metrics = metrics
        self._known = known
        self._sources = sources
        self._acknowledged = acknowledged
        self._calls: dict[tuple[int, str], _Call] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._late_turns = asyncio.Semaphore(_LATE_AT_ONCE)

    def tell_all(self) -> None:
        """Begin to tell everybody of what is served now."""
        for secondary_id in self._known().peers:
            self.tell(secondary_id)

    def tell(self, secondary_id: int) -> None:
        """Begin to tell one; a dialogue about an older version ends."""
        peer = self._known().peers.get(secondary_id)
        if peer is None or not peer.keys or self._zone.current is None:
            return
        for endpoint in peer.notify:
            self._begin(peer, endpoint, self._zone.current.serial)

    async def stop(self) -> None:
        """End all dialogues."""
        tasks = [call.task for call in self._calls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, peer: Peer, endpoint: str, serial: int) -> None:
        name, now = (peer.id, endpoint), time.monotonic()
        before = self._calls.get(name)
        if before is not None and not before.task.done():
            # One that has not sent yet will tell of what is served then.
            if before.serial is None or (before.serial == serial and before.peer == peer):
                return
            before.task.cancel()
        begins = now if before is None else max(now, before.began + GAP_SECONDS)
        task = asyncio.create_task(self._run(name, begins - now))
        call = self._calls[name] = _Call(begins, peer, task)

        def forget(_: asyncio.Task[None]) -> None:
            if self._calls.get(name) is call and call.began + GAP_SECONDS <= time.monotonic():
                del self._calls[name]

        task.add_done_callback(forget)

    async def _run(self, name: tuple[int, str], pause: float) -> None:
        await asyncio.sleep(pause)
        secondary_id, endpoint = name
        peer, served = self._known().peers.get(secondary_id), self._zone.current
        if peer is None or served is None or not peer.keys:
            return
        self._calls[name].peer, self._calls[name].serial = peer, served.serial
        try:
            await self._tell(peer, endpoint, served)
        except (NoAnswerError, RefusedError) as error:
            is_refused = isinstance(error, RefusedError)
            self._metrics.notified("refused" if is_refused else "unanswered")
            text = f"NOTIFY to {endpoint}: {error}"[:_LONGEST_TEXT]
            self._states.failed(secondary_id, self._office.clock(), text)
            log.warning(
                "secondary not notified",
                secondary=peer.name,
                endpoint=endpoint,
                serial=served.serial,
                reason=str(error)[:_LONGEST_TEXT],
            )
        else:
            self._metrics.notified("acknowledged")
            self._states.notified(secondary_id, self._office.clock(), served.serial)
            self._acknowledged(secondary_id)

    async def _tell(self, peer: Peer, endpoint: str, served: Served) -> None:
        """Raise :class:`NoAnswerError`, :class:`RefusedError`."""
        settings = self._office.config.primary
        pauses = [settings.notify_seconds * 2**number for number in range(settings.notify_attempts)]
        keys = self._in_order(peer)
        try:
            async with self._turns:
                await self._once(endpoint, served, keys, pauses[:1])
                return
        except (NoAnswerError, RefusedError) as error:
            # With another of its keys it may say yes.
            is_final = isinstance(error, RefusedError) and len(keys) == 1
            if is_final or len(pauses) == 1:
                raise
        async with self._late_turns:
            await self._once(endpoint, served, [*keys[1:], keys[0]], pauses[1:])

    async def _once(
        self, endpoint: str, served: Served, keys: Sequence[TsigKey], pauses: Sequence[float]
    ) -> None:
        zone, sources = self._zone.name, self._sources
        await notify(endpoint, zone, served.soa, keys, sources=sources, pauses=pauses)

    def _in_order(self, peer: Peer) -> list[TsigKey]:
        """Return the keys of a secondary, first the one that it used last."""
        last = self._states.last_key(peer.id)
        return sorted(peer.keys, key=lambda key: key.name != last)
