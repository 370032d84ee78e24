"""Upkeep of what submission stores: what has passed is deleted, the journal's head is logged.

The journal is a chain of hashes. Whoever keeps the logs elsewhere can prove by a head in them that
nothing before it was changed or taken out since (docs/SUBMISSION.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from countersign.gateway.clerk.clock import ClockWatch, Look
from countersign.gateway.config import Config
from countersign.rules.submission import DAY
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.tables import SubmissionTables
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

SWEEP_SECONDS: Final = 600.0
JOURNAL_SECONDS: Final = 3600.0
"""How often the journal is shortened and its head logged."""


class Upkeep:
    """Keeps the stores of one host small."""

    def __init__(
        self,
        config: Config,
        tables: SubmissionTables,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock``: seconds since the epoch; ``steady``: of a clock that nobody sets."""
        self._keep_seconds = config.stamp.keep_days * DAY
        self._tables = tables
        self._journal = journal
        self._clock = clock
        self._steady = steady
        self._clock_file = config.state_directory / "submission" / "clock"
        self._watch = ClockWatch(_read(self._clock_file))

    async def run(self) -> None:
        """Work at once, and then from time to time until cancelled."""
        next_journal = self._steady()
        while True:
            await self.sweep_tables()
            if self._steady() >= next_journal:
                await self.look_after_journal()
                next_journal = self._steady() + JOURNAL_SECONDS
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep_tables(self) -> None:
        """Delete counts and failures that have passed."""
        try:
            rows = await self._tables.sweep(self._clock())
        except TablesUnavailableError as error:
            log.warning("counts not swept", reason=str(error))
        else:
            log.debug("counts swept", rows=rows)

    async def look_after_journal(self) -> None:
        """Delete entries past their days, and write the journal's head to the log."""
        try:
            rows = await self._sweep_journal()
            head = await self._journal.head()
        except (TablesUnavailableError, OSError) as error:
            log.error("journal not looked after", reason=str(error))
        else:
            log.info("journal head", head=str(head), deleted=rows)

    async def _sweep_journal(self) -> int:
        head, now = await self._journal.head(), self._clock()
        newest = head.at if head.number else None
        look = self._watch.look(now, self._steady(), newest)
        _write(self._clock_file, look)
        if look.is_doubted:
            # What a wrong clock deletes is gone for good; what is kept too long is deleted later.
            log.error(
                "journal not shortened: is the clock right?",
                newest_entry=newest,
                clock=now,
                if_it_is=f"once somebody has sent: remove {self._clock_file}, reload the gateway",
            )
            return 0
        return await self._journal.sweep(now - self._keep_seconds)


def _read(path: Path) -> Look | None:
    try:
        at, steady_for, is_doubted = map(float, path.read_text().split())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return Look(0.0, 0.0, is_doubted=True)
    return Look(at, steady_for, is_doubted=bool(is_doubted))


def _write(path: Path, look: Look) -> None:
    # Half a file would be a doubt.
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(f"{look.at!r} {look.steady_for!r} {int(look.is_doubted)}\n")
    new.replace(path)
