"""Keeps what is known of secondaries: stores it once a second, and tells people of trouble."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from countersign.registrar.operations.office import Office
from countersign.registrar.operations.secondaries import Condition, alert
from countersign.registrar.primary.known import Known
from countersign.registrar.primary.states import Alert, State, States
from countersign.registrar.primary.storing import store_states
from countersign.storage.database.replication import Secondary

log = structlog.get_logger()

STORE_SECONDS = 1.0
_LETTER = {
    Condition.BEHIND: "secondary is behind",
    Condition.AHEAD: "secondary is ahead of what is published: was the database restored?",
    Condition.UP_TO_DATE: "secondary is up to date again",
}


class Keeper:
    """Stores states and gives alerts."""

    def __init__(
        self,
        office: Office,
        states: States,
        threads: Executor,
        *,
        known: Callable[[], Known],
        overtake: Callable[[int], object],
    ) -> None:
        """overtake: publishes a version above a serial, if the clock allows; in a thread."""
        self._office = office
        self._states = states
        self._threads = threads
        self._known = known
        self._overtake = overtake
        self._is_at_fault = False

    async def run(self) -> None:
        """Store what has changed, once a second."""
        try:
            while True:
                await asyncio.sleep(STORE_SECONDS)
                await self.keep()
        finally:
            await asyncio.shield(self.keep())

    async def keep(self) -> None:
        """Store what has changed, and give the alerts that are due."""
        now = self._office.clock()
        known = self._known()
        behind = self._office.config.primary.behind_seconds
        alerts = self._states.judge(known.peers, now, behind)
        states, keys = self._states.take(now)
        if not states and not keys and not alerts:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._store, states, keys, alerts)
        except Exception as error:
            # They are stored later: nothing of it is worth an end.
            self._states.give_back(states, keys)
            if not self._is_at_fault:
                log.warning("states of secondaries not stored", reason=type(error).__name__)
            self._is_at_fault = True
            return
        self._is_at_fault = False
        for one in alerts:
            self._states.alerted(one, now)
            self._log(one, known)
            if one.condition is Condition.AHEAD:
                await loop.run_in_executor(self._threads, self._overtake_safely, one.serial)

    def _store(
        self, states: dict[int, State], keys: dict[str, datetime.datetime], alerts: list[Alert]
    ) -> None:
        with self._office.work() as work:
            store_states(work, states, keys)
            for one in alerts:
                secondary = work.session.get(Secondary, one.secondary_id)
                if secondary is not None:
                    alert(work, secondary, one.condition)

    def _overtake_safely(self, serial: int) -> None:
        try:
            self._overtake(serial)
        except Exception as error:
            log.error("no version published above a secondary's", reason=repr(error)[:200])

    @staticmethod
    def _log(one: Alert, known: Known) -> None:
        peer = known.peers.get(one.secondary_id)
        facts = {"secondary": peer.name if peer else one.secondary_id, "serial": one.serial}
        if one.condition is Condition.UP_TO_DATE:
            log.info(_LETTER[one.condition], **facts)
        else:
            log.error(_LETTER[one.condition], since=one.since.isoformat(), **facts)
