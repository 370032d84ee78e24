"""Wakes workers as soon as a job is ordered, so that none is late by the time between two looks.

Orders of this process ring when they commit; of those of other processes `Watcher` learns. Where
a call is lost, the workers' own look once a second finds the job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from countersign.storage.database.engine import Database
from countersign.storage.database.jobs import Job
from countersign.storage.database.watching import JOBS, Watcher


class Bell:
    """Rung when there may be something to do. A context manager; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._count = 0
        self._changed = threading.Condition()
        self._watcher = Watcher(database, JOBS, self.ring)
        self._stop_hearing: Callable[[], None] | None = None

    def __enter__(self) -> Bell:
        self._stop_hearing = self._database.after_commit_of(Job, self.ring)
        self._watcher.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stop_hearing is not None:
            self._stop_hearing()
        self._watcher.__exit__(kind, error, trace)

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
