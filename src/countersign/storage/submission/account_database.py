"""The file of users: its schema, and how one process reads and changes it.

Reads that a message waits for are made in the event loop: in WAL mode a reader waits for nobody,
and a look-up by the primary key costs microseconds. Everything else is done in one thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from countersign.storage.tables import TablesUnavailableError

_Result = TypeVar("_Result")
_VERSION = 1
_BUSY_SECONDS = 20.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
  name TEXT PRIMARY KEY,
  argon2_hash TEXT NOT NULL DEFAULT '',
  scram_salt BLOB, scram_stored_key BLOB, scram_server_key BLOB, scram_iterations INTEGER,
  is_disabled INTEGER NOT NULL DEFAULT 0,
  is_administrator INTEGER NOT NULL DEFAULT 0,
  per_message INTEGER, per_day INTEGER, stamps_name INTEGER,
  privilege TEXT, accepted_on TEXT, agreement_version TEXT, paper_sha256 TEXT,
  registration TEXT, number INTEGER,
  added_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL, by TEXT NOT NULL,
  words TEXT NOT NULL, details TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS event_of_user ON event (user, id);
CREATE TRIGGER IF NOT EXISTS event_stays BEFORE UPDATE ON event
  BEGIN SELECT RAISE(ABORT, 'the record of users is never changed'); END;
CREATE TRIGGER IF NOT EXISTS event_remains BEFORE DELETE ON event
  BEGIN SELECT RAISE(ABORT, 'the record of users is never changed'); END;
CREATE TABLE IF NOT EXISTS untold (event INTEGER PRIMARY KEY REFERENCES event (id)) STRICT;
CREATE TABLE IF NOT EXISTS registrar_order (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, user TEXT NOT NULL, payload TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, queued_at REAL NOT NULL, next_try REAL NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', ended_at REAL, words TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS order_waiting ON registrar_order (next_try) WHERE state = 'waiting';
"""


class UserDatabase:
    """One for a process. Opened at the first use, so that nothing is inherited by a fork."""

    def __init__(self, directory: Path) -> None:
        """directory: made if it is not there, with mode 0700."""
        self.path = directory / "users.db"
        self._reader: sqlite3.Connection | None = None
        self._opening = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "users")

    def read(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do a short look-up here and now. Raises :class:`TablesUnavailableError`."""
        try:
            if self._reader is None:
                self._reader = self._connect()
            return work(self._reader)
        except (sqlite3.Error, OSError) as error:
            raise TablesUnavailableError(f"users.db: {error}") from error

    async def query(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do a longer look-up in the thread."""
        return await self._in_thread(lambda: work(self._connection()))

    async def change(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do a change as one transaction: it is on the disk when this returns."""

        def run() -> _Result:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

        return await self._in_thread(run)

    async def wipe(self) -> None:
        """Take what was deleted out of the write-ahead log too."""

        def run() -> None:
            self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

        await self._in_thread(run)

    async def aclose(self) -> None:
        """Close it."""

        def close() -> None:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def _in_thread(self, run: Callable[[], _Result]) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except (sqlite3.Error, OSError) as error:
            raise TablesUnavailableError(f"users.db: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = self._connect()
        return self._writer

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One process at a time: SQLite does not wait where a file is turned to WAL mode.
        with self._opening, _held(self.path.parent):
            _make(self.path)
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        return connection


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(path: Path) -> None:
    # Never opened and closed if it is there: that would drop SQLite's own locks (POSIX).
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # Hashes and personal data that are deleted are overwritten.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.DatabaseError("it was written by a newer version of this program")
    if version == _VERSION:
        return
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
