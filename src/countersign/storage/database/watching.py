"""Learns at once that the database has changed.

On SQLite a connection of its own looks at `PRAGMA data_version` every 50 ms: it reads one page
that is in memory, and changes with any commit of another connection. On PostgreSQL triggers
tell of new jobs and of new versions of the zone (NOTIFY, migrations 0003 and 0004). A call may be
lost: whoever waits for one looks by himself now and then.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import structlog
from psycopg import Connection
from psycopg import Error as DriverError
from sqlalchemy.exc import SQLAlchemyError

from countersign.storage.database.engine import Database

log = structlog.get_logger()

JOBS, ZONE = "countersign_job", "countersign_zone"
"""What PostgreSQL tells of; SQLite cannot tell one change from another."""
LOOK_SECONDS = 0.05
_CALL_SECONDS = 0.5
_PAUSE_SECONDS = 2.0


class Watcher:
    """Calls when something may have changed. A context manager; the call is made in its thread."""

    def __init__(self, database: Database, channel: str, call: Callable[[], None]) -> None:
        """``channel``: :data:`JOBS` or :data:`ZONE`. ``call`` is made once at the beginning too."""
        self._database = database
        self._channel = channel
        self._call = call
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        watch = self._watch_file if self._database.is_sqlite else self._listen
        while not self._ended.is_set():
            try:
                watch()
            except (sqlite3.Error, SQLAlchemyError, DriverError) as error:
                log.warning("watching the database was interrupted", reason=type(error).__name__)
                self._ended.wait(_PAUSE_SECONDS)

    def _watch_file(self) -> None:
        file = Path(self._database.engine.url.database or "").absolute()
        connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None)
        try:
            seen = -1
            while not self._ended.wait(LOOK_SECONDS):
                [now] = connection.execute("PRAGMA data_version").fetchone()
                if now != seen:
                    seen = now
                    self._call()
        finally:
            connection.close()

    def _listen(self) -> None:
        engine = self._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, Connection)
            # It is kept for good: the pool's places are for those who work.
            connection.detach()
            driver.execute(f"LISTEN {self._channel}".encode())
            self._call()
            while not self._ended.is_set():
                for _notice in driver.notifies(timeout=_CALL_SECONDS, stop_after=1):
                    self._call()
