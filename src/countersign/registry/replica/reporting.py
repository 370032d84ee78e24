"""How a puller fares: into the log when it changes, the metrics, and the file for its operator."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from countersign.registry.copy.meta import CopyMeta
from countersign.registry.replica.faults import ReplicaError
from countersign.registry.replica.metrics import ReplicaMetrics
from countersign.registry.replica.notes import Shrink, State, read_state, write_state
from countersign.registry.replica.transfer import Taken

log = structlog.get_logger()

BEHIND_SECONDS = 600.0
"""How long all primaries may be behind the copy before an operator is asked for a word."""
_BEHIND = ("behind", False)


class Report:
    """Gathers what happens in a round."""

    def __init__(self, directory: Path, metrics: ReplicaMetrics) -> None:
        self._directory = directory
        self._metrics = metrics
        self._state = State(process=os.getpid())
        self._written: State | None = None
        self._errors: list[str] = []
        self._known: dict[tuple[str, bool], str] = {}
        self._said: dict[str, str] = {}
        self.is_current = False
        """A primary has confirmed, or just sent, what the copy is."""
        earlier = read_state(directory)
        if earlier is not None:
            self._state = replace(
                earlier,
                process=os.getpid(),
                error="",
                error_at=0.0,
                primaries={},
                transfer="",
                transfer_since=0.0,
            )

    def begin(self) -> None:
        """Begin a round."""
        self._errors = []
        self.is_current = False

    def answered(self, endpoint: str, serial: int) -> None:
        """Note which serial a primary has."""
        self._said[endpoint] = f"serial {serial}"
        self._known.pop((endpoint, False), None)

    def failed(self, endpoint: str, error: ReplicaError, *, is_transfer: bool = True) -> None:
        """Note an error of a primary, or (``endpoint`` empty) of our own."""
        text = f"{endpoint}: {error}" if endpoint else str(error)
        self._errors.append(text)
        if endpoint:
            self._said[endpoint] = str(error)
        if self._known.get((endpoint, is_transfer)) != text:
            self._known[endpoint, is_transfer] = text
            log.warning("replica", primary=endpoint, fault=error.fault.value, reason=str(error))

    def still_failing(self, endpoint: str) -> None:
        """Note that an earlier error of a transfer stands: it is not tried again yet."""
        text = self._known.get((endpoint, True), f"{endpoint}: not tried again yet")
        self._errors.append(text)

    def transfers(self, kind: str, endpoint: str) -> None:
        """Tell of a transfer that begins. Blocking; raises nothing."""
        state = replace(self._state, transfer=f"{kind} from {endpoint}", transfer_since=time.time())
        self._write(state)

    def shrunk(self, shrink: Shrink) -> None:
        """Note a transfer that waits for an operator's word."""
        self._state = replace(self._state, shrink=shrink)

    def took(self, taken: Taken, waited: float | None) -> None:
        """Note that a zone was put in place, and how many seconds after its serial was seen."""
        if waited is not None:
            self._metrics.caught_up(waited)
        log.info(
            "zone taken",
            kind=taken.kind,
            serial=taken.meta.serial,
            records=taken.meta.records,
            changes=taken.changes,
            digest=taken.checked.value,
            primary=taken.meta.source,
        )
        self._state = replace(self._state, shrink=None, lag=round(waited or 0.0, 3))
        self.confirmed(taken.meta.source)

    def confirmed(self, endpoint: str) -> None:
        """Note that a primary has what the copy is."""
        self.is_current = True
        self._known.pop((endpoint, True), None)
        self._known.pop(("", True), None)
        self._state = replace(self._state, primary=endpoint, behind_since=0.0)

    def behind(self, answers: Sequence[tuple[str, int]], serial: int) -> None:
        """Note that all primaries that answer, if any, have older serials than the copy's."""
        if not answers:
            return
        since = self._state.behind_since or time.time()
        self._state = replace(self._state, behind_since=since)
        text = f"the copy's serial is {serial}, and those of the primaries are older: " + ", ".join(
            f"{endpoint} has {one}" for endpoint, one in answers
        )
        if time.time() - since > BEHIND_SECONDS:
            text += (
                ". If the registrar was restored from an old backup, have the zone taken as it is "
                "now: countersign replica reset"
            )
        self._errors.append(text)
        if self._known.get(_BEHIND) != text:
            self._known[_BEHIND] = text
            log.error("primaries are behind the copy", reason=text)

    def end(self, meta: CopyMeta | None) -> None:
        """End a round: tell metrics and file. Blocking; raises nothing."""
        now = time.time()
        state = replace(self._state, primaries=dict(self._said))
        if self.is_current:
            self._known.pop(_BEHIND, None)
            state = replace(state, error="", error_at=0.0)
        elif self._errors:
            error = "; ".join(self._errors)[:2000]
            since = state.error_at or now
            if error != state.error:
                state = replace(state, last_error=error, last_error_at=now)
            state = replace(state, error=error, error_at=since)
        self._state = state
        self._metrics.fault(bool(state.error))
        if meta is not None:
            self._metrics.holds(meta.serial, meta.records, meta.checked_at, now)
        self._write(state)

    def _write(self, state: State) -> None:
        if state == self._written:
            return
        try:
            write_state(self._directory, state)
        except OSError as error:
            log.warning("the replica's state is not written", reason=error.strerror)
        else:
            self._written = state
