"""What is known of each secondary: heard, sent, notified, failed; behind or ahead. No I/O."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, replace

from countersign.registrar.operations.secondaries import Condition
from countersign.registrar.primary.history import History

QUIET_SECONDS = 10.0
"""That a secondary asked once more is stored so often at most; all else that is new, at once."""
AHEAD_SECONDS = 5.0
"""A serial above ours is believed after so long: we may just have been too slow to see our own."""
SIGNATURE = "signature: "
"""How errors begin that the next good question is the end of."""
_ERROR_LENGTH = 255


@dataclass(slots=True)
class State:
    """What is known of one secondary; the fields of its row in the database."""

    serial: int | None = None
    serial_at: datetime.datetime | None = None
    asked_at: datetime.datetime | None = None
    address: str = ""
    transfer: str = ""
    transferred_at: datetime.datetime | None = None
    octets: int = 0
    notified_serial: int | None = None
    error: str = ""
    error_at: datetime.datetime | None = None
    behind_since: datetime.datetime | None = None
    alerted_at: datetime.datetime | None = None
    """Read from the database, and written there by `operations/secondaries.py` alone."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that people are to be told."""

    secondary_id: int
    condition: Condition
    """Behind, ahead, or up to date again."""
    serial: int
    """What the secondary has."""
    since: datetime.datetime
    """When it began; of a recovery: when it was last told of."""


class States:
    """The states of all secondaries, and which of them are to be stored."""

    def __init__(self, history: History, known: dict[int, State] | None = None) -> None:
        self.history = history
        self._states = known or {}
        self._ahead_since: dict[int, datetime.datetime] = {}
        self._changed: set[int] = set()
        self._asked: set[int] = set()
        self._stored_at: dict[int, datetime.datetime] = {}
        self._keys_used: dict[str, datetime.datetime] = {}
        self._keys_stored: dict[str, datetime.datetime] = {}
        self._began: datetime.datetime | None = None
        self._last_key: dict[int, str] = {}

    def of(self, secondary_id: int) -> State:
        """Return what is known of one."""
        return self._states.setdefault(secondary_id, State())

    # -- what happens ------------------------------------------------------------------------

    def heard(
        self,
        secondary_id: int,
        now: datetime.datetime,
        address: str = "",
        *,
        serial: int | None = None,
        key: str = "",
    ) -> None:
        """Note a message of a secondary, and the serial that it tells, if any.

        address: where it came from, if it began the dialogue; key: the name of what signed it.
        """
        state = self.of(secondary_id)
        if address and state.address != address:
            state.address = address
            self._changed.add(secondary_id)
        state.asked_at = now
        self._asked.add(secondary_id)
        if key:
            minute = now.replace(second=0, microsecond=0)
            if self._keys_stored.get(key) != minute:
                self._keys_used[key] = minute
            self._last_key[secondary_id] = key
            if state.error.startswith(SIGNATURE):
                self.is_well(secondary_id)
        if serial is not None:
            self._has(secondary_id, serial, now)

    def sent(
        self, secondary_id: int, now: datetime.datetime, kind: str, octets: int, serial: int
    ) -> None:
        """Note that a whole transfer went out; kind: axfr or ixfr."""
        state = self.of(secondary_id)
        state.transfer, state.transferred_at, state.octets = kind, now, octets
        state.error, state.error_at = "", None
        self._changed.add(secondary_id)
        # It may still refuse what it got: then the serial that it asks with will say so.
        self._has(secondary_id, serial, now)

    def notified(self, secondary_id: int, now: datetime.datetime, serial: int) -> None:
        """Note that a NOTIFY was acknowledged."""
        state = self.of(secondary_id)
        state.notified_serial, state.asked_at = serial, now
        self._changed.add(secondary_id)

    def failed(self, secondary_id: int, now: datetime.datetime, text: str) -> None:
        """Note what went wrong."""
        state, text = self.of(secondary_id), text[:_ERROR_LENGTH]
        if state.error != text:
            # The same again is no news: it is not stored each time.
            state.error, state.error_at = text, now
            self._changed.add(secondary_id)

    def is_well(self, secondary_id: int) -> None:
        """Note that nothing is wrong any more."""
        state = self.of(secondary_id)
        if state.error:
            state.error, state.error_at = "", None
            self._changed.add(secondary_id)

    def last_key(self, secondary_id: int) -> str:
        """Return the name of the key that a secondary used last; empty: not known."""
        return self._last_key.get(secondary_id, "")

    def _has(self, secondary_id: int, serial: int, now: datetime.datetime) -> None:
        state = self.of(secondary_id)
        if state.serial == serial:
            return
        state.serial, state.serial_at = serial, now
        self._changed.add(secondary_id)

    # -- what follows ------------------------------------------------------------------------

    def judge(
        self, secondaries: Collection[int], now: datetime.datetime, behind_seconds: float
    ) -> list[Alert]:
        """Look at who is behind or ahead, and return what people are to be told.

        An alert is returned again until :meth:`alerted` says that it was given. There is none as
        long as it is not known what is published. Who lacks at the start what was published before
        it has as long as anybody to follow.
        """
        if self.history.current is None:
            return []
        self._began = min(now, self._began or now)
        for gone in self._states.keys() - set(secondaries):
            self._forget(gone)
        found = (self._judge_one(one, now, behind_seconds) for one in secondaries)
        return [alert for alert in found if alert is not None]

    def _judge_one(
        self, secondary_id: int, now: datetime.datetime, behind_seconds: float
    ) -> Alert | None:
        state = self.of(secondary_id)
        if state.serial is None:
            # Nothing has ever been heard of it: it is still being set up.
            return None
        since = self.history.lacking_since(state.serial)
        if since != state.behind_since:
            state.behind_since = since
            self._changed.add(secondary_id)
        ahead_since = self._look_ahead(secondary_id, state.serial, now)
        if state.alerted_at is not None:
            is_well = since is None and ahead_since is None
            condition, since = Condition.UP_TO_DATE, state.alerted_at
            return Alert(secondary_id, condition, state.serial, since) if is_well else None
        waiting = now - max(since or now, self._began or now)
        if since is not None and waiting.total_seconds() >= behind_seconds:
            return Alert(secondary_id, Condition.BEHIND, state.serial, since)
        if ahead_since is not None and (now - ahead_since).total_seconds() >= AHEAD_SECONDS:
            return Alert(secondary_id, Condition.AHEAD, state.serial, ahead_since)
        return None

    def _look_ahead(
        self, secondary_id: int, serial: int, now: datetime.datetime
    ) -> datetime.datetime | None:
        if self.history.is_ahead(serial):
            return self._ahead_since.setdefault(secondary_id, now)
        self._ahead_since.pop(secondary_id, None)
        return None

    def alerted(self, alert: Alert, now: datetime.datetime) -> None:
        """Note that people were told."""
        is_over = alert.condition is Condition.UP_TO_DATE
        self.of(alert.secondary_id).alerted_at = None if is_over else now
        self._changed.add(alert.secondary_id)

    def _forget(self, secondary_id: int) -> None:
        for table in (self._ahead_since, self._stored_at):
            table.pop(secondary_id, None)
        self._states.pop(secondary_id, None)
        self._last_key.pop(secondary_id, None)
        self._changed.discard(secondary_id)
        self._asked.discard(secondary_id)

    # -- storing -----------------------------------------------------------------------------

    def take(self, now: datetime.datetime) -> tuple[dict[int, State], dict[str, datetime.datetime]]:
        """Return the states that are to be stored now, and when keys were used."""
        due = set(self._changed)
        for one in self._asked - due:
            stored = self._stored_at.get(one)
            # A clock that was set back must not keep it from being stored.
            if stored is None or abs((now - stored).total_seconds()) >= QUIET_SECONDS:
                due.add(one)
        self._changed.clear()
        self._asked -= due
        self._stored_at |= dict.fromkeys(due, now)
        keys, self._keys_used = self._keys_used, {}
        self._keys_stored |= keys
        return {one: replace(self._states[one]) for one in due if one in self._states}, keys

    def give_back(self, states: dict[int, State], keys: dict[str, datetime.datetime]) -> None:
        """Keep for another time what could not be stored."""
        self._changed |= states.keys() & self._states.keys()
        self._keys_used = keys | self._keys_used
        for name in keys:
            self._keys_stored.pop(name, None)
