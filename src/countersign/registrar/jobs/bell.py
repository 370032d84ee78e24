"""Wakes workers as soon as a job is ordered, so that none is late by the time between two looks.

Orders of this process ring when they commit. On PostgreSQL a trigger tells all processes
(NOTIFY, migration 0003), and a thread here listens. Where a call is lost, the workers' own look
once a second finds the job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import structlog
from psycopg import Connection
from psycopg import Error as DriverError
from sqlalchemy.exc import SQLAlchemyError

from countersign.storage.database.engine import Database
from countersign.storage.database.jobs import Job

log = structlog.get_logger()

CHANNEL = "countersign_job"
_CALL_SECONDS = 0.5
_PAUSE_SECONDS = 5.0


class Bell:
    """Rung when there may be something to do. A context manager; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._count = 0
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._stop_hearing: Callable[[], None] | None = None
        self._listener: threading.Thread | None = None

    def __enter__(self) -> Bell:
        self._stop_hearing = self._database.after_commit_of(Job, self.ring)
        if not self._database.is_sqlite:
            self._listener = threading.Thread(target=self._listen, name="bell", daemon=True)
            self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stop_hearing is not None:
            self._stop_hearing()
        self._ended.set()
        if self._listener is not None:
            self._listener.join()

    @property
    def count(self) -> int:
        """How often it was rung: look at it before looking for work."""
        return self._count

    def ring(self) -> None:
        """Wake all who wait."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Return when it has been rung since it was ``seen``, or after some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, seconds)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen_until_lost()
            except (SQLAlchemyError, DriverError) as error:
                # Workers go on looking once a second.
                log.warning("listening for jobs was interrupted", reason=type(error).__name__)
                self._ended.wait(_PAUSE_SECONDS)

    def _listen_until_lost(self) -> None:
        engine = self._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, Connection)
            # It is kept for good: the pool's places are for those who work.
            connection.detach()
            driver.execute(f"LISTEN {CHANNEL}".encode())
            self.ring()
            while not self._ended.is_set():
                for _call in driver.notifies(timeout=_CALL_SECONDS, stop_after=1):
                    self.ring()
