"""Renews the leases of jobs that take long, while they are being done."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterator

import structlog

from countersign.registrar.jobs.queue import Task, renew
from countersign.registrar.operations.office import Office

log = structlog.get_logger()


class LeaseKeeper:
    """Holds jobs for this process's workers until they have done them. Thread-safe."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._lease = datetime.timedelta(seconds=office.config.lease_seconds)
        self._tasks: dict[int, Task] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease keeper", daemon=True)

    @property
    def lease(self) -> datetime.timedelta:
        """How long a job is held at a time."""
        return self._lease

    @contextlib.contextmanager
    def keeping(self, task: Task) -> Iterator[None]:
        """Renew the lease of a job during the block."""
        with self._lock:
            self._tasks[task.id] = task
        try:
            yield
        finally:
            with self._lock:
                self._tasks.pop(task.id, None)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is held is held until its lease runs out."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._lease.total_seconds() / 3):
            with self._lock:
                tasks = list(self._tasks.values())
            if not tasks:
                continue
            try:
                renew(self._office, tasks, self._lease)
            except Exception as error:
                # Whoever has lost a lease is told when he wants to store something.
                log.warning("leases of jobs were not renewed", reason=type(error).__name__)
