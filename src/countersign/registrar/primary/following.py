"""Follows the database: new versions into the copy, and out to the secondaries; who they are."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Callable
from concurrent.futures import Executor

import structlog
from sqlalchemy import func, select

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.history import KEPT, History
from countersign.registrar.primary.known import Known, load_known
from countersign.registrar.primary.served import Zone
from countersign.registrar.publishing.publisher import catch_up
from countersign.registry.copy.errors import DeletedCopyError
from countersign.registry.copy.store import ZoneCopy
from countersign.storage.database.publication import ZoneVersion

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""How often the database is looked at when nothing calls."""
_AFTER_FAULT_SECONDS = 2.0
_KEYS_SECONDS = 0.5
"""Between two looks at the secondaries, however often the database changes."""

_Version = tuple[int, int, datetime.datetime]
"""Key, serial, when it was published."""


class Follower:
    """Brings the copy up to date, and says so."""

    def __init__(
        self,
        office: Office,
        zone: Zone,
        copy: ZoneCopy,
        history: History,
        threads: Executor,
        *,
        published: Callable[[], None],
    ) -> None:
        """Take what is called when another version is served."""
        self._office = office
        self._zone = zone
        self._copy = copy
        self._history = history
        self._threads = threads
        self._published = published
        self._rung = asyncio.Event()
        self._last = 0
        self._noted = 0
        self._told: int | None = None
        self._fault = ""

    def ring(self) -> None:
        """Let it look at once."""
        self._rung.set()

    async def run(self) -> None:
        """Follow for good."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._rung.wait()
            self._rung.clear()
            try:
                await self.look()
            except DeletedCopyError:
                # Only another one that is opened helps.
                raise
            except Exception as error:
                self._note(f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(_AFTER_FAULT_SECONDS)
            else:
                self._fault = ""

    async def look(self) -> None:
        """Serve the last version, if it is not served yet."""
        loop = asyncio.get_running_loop()
        new = await self._news()
        if not new and self._told is not None:
            return
        await loop.run_in_executor(self._threads, catch_up, self._office, self._copy)
        served = self._zone.look()
        if not new:
            # The first version of all: it was made just now.
            new = await self._news()
        if new:
            self._last = new[-1][0]
        if served is not None and served.serial != self._told:
            self._told = served.serial
            log.info("zone served", serial=served.serial, records=served.records)
            self._published()

    async def _news(self) -> list[_Version]:
        """Return the versions that are not served yet, and note when each was published.

        What is published is so, however long the copy takes to have it.
        """
        loop = asyncio.get_running_loop()
        last, new = await loop.run_in_executor(self._threads, self._read, self._last)
        if last < self._last:
            # The database was restored beneath us.
            self._last, self._noted, self._told = 0, 0, None
            self._history.clear()
        for key, serial, at in new:
            if key > self._noted:
                self._history.add(serial, at)
                self._noted = key
        return new

    def _read(self, after: int) -> tuple[int, list[_Version]]:
        columns = (ZoneVersion.id, ZoneVersion.serial, ZoneVersion.at)
        newest = select(*columns).order_by(ZoneVersion.id.desc()).limit(KEPT)
        with self._office.reading() as work:
            last = work.session.scalar(select(func.max(ZoneVersion.id))) or 0
            # What a database has that was restored beneath us is all new.
            known = after if last >= after else 0
            rows = work.session.execute(newest.where(ZoneVersion.id > known)).all()
        return last, [(row.id, row.serial, row.at) for row in reversed(rows)]

    def _note(self, fault: str) -> None:
        # The same each time while it lasts: once is enough.
        if fault != self._fault:
            log.error("zone not brought up to date", reason=fault)
        self._fault = fault


class Register:
    """Knows the secondaries and their keys, and sees that others are added."""

    def __init__(
        self, office: Office, threads: Executor, *, changed: Callable[[int], None]
    ) -> None:
        """Take what is called with the id of a secondary that is new, or has changed."""
        self._office = office
        self._threads = threads
        self._changed = changed
        self._known = Known()
        self._rung = asyncio.Event()
        self._is_at_fault = False

    def known(self) -> Known:
        """Return what is known now."""
        return self._known

    def ring(self) -> None:
        """Let it look soon."""
        self._rung.set()

    async def run(self) -> None:
        """Look again and again."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._rung.wait()
            self._rung.clear()
            try:
                await self.look()
            except Exception as error:
                # While it lasts once is enough.
                if not self._is_at_fault:
                    log.error("secondaries not read", reason=type(error).__name__)
                self._is_at_fault = True
            else:
                self._is_at_fault = False
            await asyncio.sleep(_KEYS_SECONDS)

    async def look(self) -> None:
        """Read who they are."""
        loop = asyncio.get_running_loop()
        before = self._known
        self._known = await loop.run_in_executor(self._threads, self._load, before)
        for peer in self._known.peers.values():
            if peer != before.peers.get(peer.id):
                self._changed(peer.id)

    def _load(self, before: Known) -> Known:
        with self._office.reading() as work:
            return load_known(work, before)
