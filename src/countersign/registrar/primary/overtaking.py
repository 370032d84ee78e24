"""Publishes above a secondary that is ahead: the database was restored from an older copy.

Serials keep up with the clock, so the next version is above all that was ever published, and the
secondary takes it by itself. A serial that the clock has not reached is left to people: one
secondary with a good key must not be able to push the zone's serial around the circle.
"""

from __future__ import annotations

import time

import structlog

from countersign.registrar.operations.office import Office
from countersign.registrar.publishing.anew import publish_anew
from countersign.registrar.publishing.journal import latest
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.serial import is_newer, next_serial

log = structlog.get_logger()

PAUSE_SECONDS = 3600.0
"""Between two such versions: each is transferred whole by everybody."""


class Overtaker:
    """Publishes above what a secondary has."""

    def __init__(self, office: Office, copy: ZoneCopy) -> None:
        self._office = office
        self._copy = copy
        self._at: float | None = None

    def overtake(self, serial: int) -> int | None:
        """Publish a version above a serial; return its serial. None: it is left to people."""
        now = time.monotonic()
        if self._at is not None and now - self._at < PAUSE_SECONDS:
            return None
        with self._office.reading() as work:
            last, moment = latest(work), work.now.timestamp()
        if last is not None and not is_newer(serial, last.serial):
            # It has what was published after all: we were too slow to see our own.
            return None
        if last is None or not is_newer(next_serial(last.serial, moment), serial):
            log.error(
                "secondary has a serial that the clock has not reached",
                serial=serial,
                advice="have it transfer the zone anew",
            )
            return None
        made = publish_anew(self._office, self._copy, above=serial).serial
        self._at = now
        return made
