"""Keeps the probe's notes (`notes.py`) and figures up to date."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import structlog

from countersign.probe.client import RegistrarClient
from countersign.probe.metrics import ProbeMetrics
from countersign.probe.notes import AtWork, Notes, write_notes

log = structlog.get_logger()

_SHORTEST = 1.0
"""Seconds between two writings of the file, where nobody waits for it."""


class Reporting:
    """What the probe says of itself."""

    def __init__(
        self, directory: Path, registrar: str, client: RegistrarClient, metrics: ProbeMetrics
    ) -> None:
        self.metrics = metrics
        self._directory = directory
        self._client = client
        self._notes = Notes(process=os.getpid(), registrar=registrar)
        self._at_work: dict[int, AtWork] = {}
        self._undelivered: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None

    def answered(self) -> None:
        """Note that the registrar answered."""
        is_news = bool(self._notes.error) or not self._notes.asked_at
        if is_news:
            log.info("orders can be asked for")
        self._notes = replace(self._notes, asked_at=time.time(), error="")
        self.write(now=is_news)

    def failed(self, reason: str) -> None:
        """Note why the registrar could not be asked; the log says so when it is new."""
        self.metrics.error()
        if reason != self._notes.error:
            log.warning("no orders can be had", reason=reason)
        self._notes = replace(self._notes, error=reason, error_at=time.time())
        self.write()

    def begun(self, at_work: AtWork) -> None:
        """Note an order that is worked on from now on."""
        self._at_work[at_work.order] = at_work
        self.write()

    def ended(self, order: int) -> None:
        """Note that an order is no longer worked on."""
        self._at_work.pop(order, None)
        self.write()

    def kept(self, order: int) -> None:
        """Note a result that is to be delivered."""
        self._undelivered.add(order)
        self.write()

    def delivered(self, order: int, *, taken: bool) -> None:
        """Note that a result is with the registrar, or was given up."""
        self._undelivered.discard(order)
        self.metrics.result("delivered" if taken else "given-up")
        if taken:
            self._notes = replace(self._notes, delivered=self._notes.delivered + 1)
        self.write()

    def write(self, *, now: bool = False) -> None:
        """Have the file written, soon."""
        self.metrics.holds(len(self._at_work), len(self._undelivered), self._notes.asked_at)
        if now:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SHORTEST, self._write)

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        notes = replace(
            self._notes,
            skew=round(self._client.skew, 1),
            at_work=tuple(self._at_work[key] for key in sorted(self._at_work)),
            undelivered=tuple(sorted(self._undelivered)),
        )
        try:
            write_notes(self._directory, notes)
        except OSError as error:
            log.warning("the state file cannot be written", reason=error.strerror)
