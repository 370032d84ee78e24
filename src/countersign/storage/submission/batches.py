"""One SQLite file, written by a thread of its own, many operations to a transaction (DESIGN §5).

An operation is a function that takes the :class:`sqlite3.Connection` and returns a result. Those
that wait when the thread is free are done in one transaction, so that a disk which syncs 100
times a second still takes thousands of messages. Each runs within a savepoint: what it raises
undoes it alone, and is raised where it was asked for. A result is given only after the commit.

Several processes may hold the same file: a transaction with a write takes SQLite's lock first
(``BEGIN IMMEDIATE``), so what an operation reads is still so when it writes. A caller that is
cancelled takes nothing back: an operation that was handed in is done.

Operations must not begin or end transactions, and must be short: all others wait meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from countersign.storage.submission.sqlite_file import Schema, connect, explain, identity
from countersign.storage.tables import TablesUnavailableError

Result = TypeVar("Result")
Operation = Callable[[sqlite3.Connection], Result]

MAX_BATCH = 1_000
MAX_WAITING = 20_000


@dataclass(slots=True)
class _Waiting:
    operation: Operation[Any]
    writes: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Batches:
    """A SQLite file of this process, for callers in any number of event loops.

    >>> batches = Batches(directory / "users.db", SCHEMA)
    >>> await batches.write(lambda db: db.execute("DELETE FROM users WHERE name=?", (name,)))
    >>> rows = await batches.read(lambda db: db.execute("SELECT name FROM users").fetchall())
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        busy_timeout: float = 10.0,
    ) -> None:
        """Open or make the file (0600, its directory 0700).

        ``schema``: for each version of the file, the statements that lead to it; never change one
        that was released, add one. ``synchronous``: with FULL what was committed survives a
        crash of the machine, with NORMAL only that of the process. ``busy_timeout``: seconds to
        wait for other processes.

        Raises :class:`~countersign.storage.tables.TablesUnavailableError`.
        """
        self._path = path
        self._schema = schema
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._identity: tuple[int, int] | None = None
        self._connection: sqlite3.Connection | None = self._connect()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        # A daemon: a process that ends without aclose must not hang for it.
        self._thread = threading.Thread(target=self._run, name=path.name, daemon=True)
        self._thread.start()

    async def write(self, operation: Operation[Result]) -> Result:
        """Do an operation that may write, and return its result once it is committed.

        Raises :class:`~countersign.storage.tables.TablesUnavailableError` for every
        :class:`sqlite3.Error`; what else the operation raises comes through as it is.
        """
        return await self._submit(operation, writes=True)

    async def read(self, operation: Operation[Result]) -> Result:
        """Do an operation that only reads: with no others than such it waits for no process.

        Raises as :meth:`write` does.
        """
        return await self._submit(operation, writes=False)

    async def aclose(self) -> None:
        """Do what waits, and close the file. Calling it twice is fine."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _submit(self, operation: Operation[Result], *, writes: bool) -> Result:
        if self._closed:
            raise TablesUnavailableError(f"{self._path} is closed")
        if self._queue.qsize() >= MAX_WAITING:
            raise TablesUnavailableError(f"{self._path}: too many operations wait")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._queue.put(_Waiting(operation, writes, loop, future))
        return await future

    # -- in the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._next_batch()
            if batch:
                self._do(batch)
                _deliver(batch)
        self._disconnect()

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """Wait for an operation and take all that came meanwhile; False: it was the last."""
        batch: list[_Waiting] = []
        waiting = self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            if len(batch) >= MAX_BATCH:
                return batch, True
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _do(self, batch: Sequence[_Waiting]) -> None:
        writes = any(waiting.writes for waiting in batch)
        try:
            connection = self._current()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            for waiting in batch:
                _do_one(connection, waiting, self._path)
            connection.execute("COMMIT")
            if not any(isinstance(waiting.error, TablesUnavailableError) for waiting in batch):
                return
        except Exception as error:
            for waiting in batch:
                waiting.error = _translated(error, self._path)
        # Opened anew for the next batch: the disk may have room again, or the file be repaired.
        self._disconnect()

    def _current(self) -> sqlite3.Connection:
        """Return the connection to the file that now has the name: it may have been restored."""
        if self._connection is not None and identity(self._path) == self._identity:
            return self._connection
        self._disconnect()
        self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = connect(
            self._path,
            self._schema,
            synchronous=self._synchronous,
            busy_timeout=self._busy_timeout,
        )
        self._identity = identity(self._path)
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                # Rolls back what is open.
                self._connection.close()
            self._connection = None


def _do_one(connection: sqlite3.Connection, waiting: _Waiting, path: Path) -> None:
    connection.execute("SAVEPOINT operation")
    try:
        waiting.result = waiting.operation(connection)
    except Exception as error:
        if not connection.in_transaction:
            # SQLite has rolled everything back (disk full, I/O error): nothing of it is done.
            raise
        connection.execute("ROLLBACK TO operation")
        waiting.error = error
        if isinstance(error, sqlite3.Error):
            waiting.error = _translated(error, path)
    connection.execute("RELEASE operation")


def _translated(error: Exception, path: Path) -> TablesUnavailableError:
    if isinstance(error, TablesUnavailableError):
        return TablesUnavailableError(str(error))
    return TablesUnavailableError(f"{path}: {explain(error)}")


def _deliver(batch: Sequence[_Waiting]) -> None:
    loops: dict[int, list[_Waiting]] = {}
    for waiting in batch:
        loops.setdefault(id(waiting.loop), []).append(waiting)
    for group in loops.values():
        # A loop that is closed has nobody who waits.
        with contextlib.suppress(RuntimeError):
            group[0].loop.call_soon_threadsafe(_settle, group)


def _settle(group: Sequence[_Waiting]) -> None:
    for waiting in group:
        if waiting.future.done():
            continue
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)
