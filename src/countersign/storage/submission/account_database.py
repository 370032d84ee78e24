"""The file of users: its schema, and how one process reads and changes it.

Reads that a message waits for are made in the event loop: in WAL mode a reader waits for nobody,
and a look-up by the primary key costs microseconds. Everything else is done in one thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from countersign.storage.submission.batches import Batches
from countersign.storage.submission.sqlite_file import Schema, connect, explain, identity
from countersign.storage.tables import TablesUnavailableError

_Result = TypeVar("_Result")
_BUSY_SECONDS: Final = 20.0
SCHEMA: Final[Schema] = (
    (
        """
CREATE TABLE user (
  name TEXT PRIMARY KEY,
  argon2_hash TEXT NOT NULL DEFAULT '',
  scram_salt BLOB, scram_stored_key BLOB, scram_server_key BLOB, scram_iterations INTEGER,
  is_disabled INTEGER NOT NULL DEFAULT 0,
  is_administrator INTEGER NOT NULL DEFAULT 0,
  per_message INTEGER, per_day INTEGER, stamps_name INTEGER,
  privilege TEXT, accepted_on TEXT, agreement_version TEXT, paper_sha256 TEXT,
  registration TEXT, number INTEGER,
  added_at REAL NOT NULL
) STRICT, WITHOUT ROWID
""",
        """
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL, by TEXT NOT NULL,
  words TEXT NOT NULL, details TEXT NOT NULL
) STRICT
""",
        "CREATE INDEX event_of_user ON event (user, id)",
        """
CREATE TRIGGER event_stays BEFORE UPDATE ON event
  BEGIN SELECT RAISE(ABORT, 'the record of users is never changed'); END
""",
        """
CREATE TRIGGER event_remains BEFORE DELETE ON event
  BEGIN SELECT RAISE(ABORT, 'the record of users is never changed'); END
""",
        "CREATE TABLE untold (event INTEGER PRIMARY KEY REFERENCES event (id)) STRICT",
        """
CREATE TABLE registrar_order (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, user TEXT NOT NULL, payload TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, queued_at REAL NOT NULL, next_try REAL NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', ended_at REAL, words TEXT NOT NULL DEFAULT ''
) STRICT
""",
        "CREATE INDEX order_waiting ON registrar_order (next_try) WHERE state = 'waiting'",
    ),
    ("CREATE INDEX event_of_user_by_kind ON event (user, kind, id)",),
)


class UserDatabase:
    """One for a process."""

    def __init__(self, directory: Path) -> None:
        """directory: made if it is not there. Raises :class:`TablesUnavailableError`."""
        self.path = directory / "users.db"
        self._batches = Batches(self.path, SCHEMA, busy_timeout=_BUSY_SECONDS)
        self._reader: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def read_now(self, statement: str, values: tuple[str, ...]) -> sqlite3.Row | None:
        """Look one row up, here and now. Raises :class:`TablesUnavailableError`."""
        try:
            row: sqlite3.Row | None = self._current().execute(statement, values).fetchone()
        except sqlite3.Error as error:
            # Opened anew at the next look-up: the disk may be another.
            self._close_reader()
            raise TablesUnavailableError(f"{self.path}: {explain(error)}") from error
        return row

    async def read(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Look something up in the thread."""

        def run(connection: sqlite3.Connection) -> _Result:
            connection.row_factory = sqlite3.Row
            return work(connection)

        return await self._batches.read(run)

    async def change(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do a change, whole or not at all: it is on the disk when this returns."""

        def run(connection: sqlite3.Connection) -> _Result:
            connection.row_factory = sqlite3.Row
            # Hashes and personal data that are deleted are overwritten.
            connection.execute("PRAGMA secure_delete = ON").fetchall()
            return work(connection)

        return await self._batches.write(run)

    async def wipe(self) -> None:
        """Take what was deleted out of the write-ahead log too, as far as nobody reads it now."""

        def run() -> None:
            with contextlib.closing(self._connect()) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        try:
            await asyncio.to_thread(run)
        except sqlite3.Error as error:
            raise TablesUnavailableError(f"{self.path}: {explain(error)}") from error

    async def aclose(self) -> None:
        """Close it."""
        await self._batches.aclose()
        self._close_reader()

    def _current(self) -> sqlite3.Connection:
        """Return the reader of the file that now has the name: it may have been restored."""
        now = identity(self.path)
        if self._reader is None or now != self._identity:
            self._close_reader()
            self._reader = self._connect()
            self._identity = identity(self.path)
        return self._reader

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path, SCHEMA, synchronous="FULL", busy_timeout=_BUSY_SECONDS)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
