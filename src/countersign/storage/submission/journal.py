"""The journal: what a tracking stamp leads back to, in order, and tamper-evident (DESIGN §5).

One SQLite file for all workers of a host. Each row carries a SHA-256 over itself and the row
before, so a row that was changed, deleted, inserted or moved no longer fits. That says only so
much: whoever can write the file can also work out a whole new chain, or cut its end off. What
shows that is an older :class:`Head` kept where he cannot write: the clerk logs one each hour, and
:meth:`Journal.verify` looks for it. What was sent since the last head that left the host is
safe against nobody with the rights of the gateway.

A message takes about 160 octets, its index included. Recipients and text are not kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

from countersign.storage.submission.batches import Batches
from countersign.storage.submission.chain import (
    Kind,
    Row,
    chain_value,
    entry_of,
    message_row,
    pack_id,
    refused_row,
)
from countersign.storage.submission.entries import Entry, Found
from countersign.storage.submission.verification import Head, Verification, Verifier

SCHEMA = (
    (
        """CREATE TABLE rows (
            number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id BLOB NOT NULL, at REAL NOT NULL,
            user TEXT NOT NULL, recipients INTEGER NOT NULL, client BLOB NOT NULL,
            size INTEGER NOT NULL, body_hash BLOB NOT NULL, front INTEGER NOT NULL,
            chain BLOB NOT NULL)""",
        "CREATE INDEX rows_id ON rows (id)",
        """CREATE TABLE anchor (
            only INTEGER PRIMARY KEY CHECK (only = 1), number INTEGER NOT NULL,
            chain BLOB NOT NULL, at REAL NOT NULL)""",
    ),
)
_COLUMNS = "kind, id, at, user, recipients, client, size, body_hash, front"
_PAGE = 5_000
_LOOKED_AT = 200_000
"""Rows from the end in which a user's are looked for."""


class Journal:
    """The journal of this host."""

    def __init__(self, directory: Path) -> None:
        """Open or make journal.db. Raises TablesUnavailableError, as every method may."""
        self._batches = Batches(directory / "journal.db", SCHEMA, synchronous="FULL")

    async def append(self, entry: Entry) -> None:
        """Write a message down: it is on the disk when this returns.

        Raises :class:`ValueError` for an ID that is none.
        """
        row = message_row(entry)
        await self._batches.write(lambda database: _append(database, row))

    async def refused(self, tracking_id: str, at: float) -> None:
        """Note that the MTA refused a message that was written down. at: Unix seconds."""
        row = refused_row(tracking_id, at)
        await self._batches.write(lambda database: _append(database, row))

    async def find(self, tracking_id: str) -> Found | None:
        """Return what is known of a tracking ID; None: no such message, or not any more."""
        try:
            octets = pack_id(tracking_id)
        except ValueError:
            return None
        return await self._batches.read(lambda database: _find(database, octets))

    async def of_user(self, user: str, since: float, until: float) -> list[Entry]:
        """Return what a user sent between two times, the oldest first: the last 1,000 messages.

        Only the journal's last 200,000 rows are looked at: it is kept by number, not by user.
        """
        return await self._batches.read(lambda database: _of_user(database, user, since, until))

    async def head(self) -> Head:
        """Return the end of the chain: to be kept where who can write this file cannot write."""
        return await self._batches.read(_head)

    async def anchor(self) -> Head:
        """Return where what is kept begins: the last row that was swept; number 0: none was."""
        return await self._batches.read(_anchor)

    async def sweep(self, before: float) -> int:
        """Delete the rows at the front that are older; return how many. before: Unix seconds.

        Their last chain value is kept as the anchor, so the rest still verifies.
        """
        swept = 0
        while deleted := await self._batches.write(lambda database: _sweep(database, before)):
            swept += deleted
        return swept

    async def verify(
        self, head: Head | None = None, progress: Callable[[int, int], None] | None = None
    ) -> Verification:
        """Follow the chain from its anchor to its end. ``head``: one that was kept elsewhere.

        ``progress`` is called with the rows that were read and that there are. Messages can be
        written down meanwhile. Stops at the first row that does not fit.
        """
        verifier = Verifier(await self.anchor(), head)
        end = (await self.head()).number
        while not verifier.is_over:
            state = partial(_state, number=verifier.number)
            anchor, rows = await self._batches.read(state)
            verifier.feed(anchor, rows)
            if progress is not None:
                progress(verifier.rows, max(verifier.rows, end - verifier.first + 1))
        return verifier.result()

    async def aclose(self) -> None:
        """Write what waits and close."""
        await self._batches.aclose()


def _append(database: sqlite3.Connection, row: Row) -> None:
    end = _head(database)
    number = end.number + 1
    values = (row.kind, row.id, row.at, row.user, row.recipients, row.client, row.size)
    database.execute(
        f"INSERT INTO rows (number, {_COLUMNS}, chain) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
        (number, *values, row.body_hash, row.front, chain_value(end.chain, number, row)),
    )


def _head(database: sqlite3.Connection) -> Head:
    found = database.execute("SELECT number, chain, at FROM rows ORDER BY number DESC LIMIT 1")
    row = found.fetchone()
    return _anchor(database) if row is None else _made(*row)


def _anchor(database: sqlite3.Connection) -> Head:
    row = database.execute("SELECT number, chain, at FROM anchor").fetchone()
    return Head() if row is None else _made(*row)


def _made(number: int, chain: object, at: object) -> Head:
    # Somebody may have put anything into the columns: then nothing fits.
    return Head(
        number,
        chain if isinstance(chain, bytes) else b"",
        at if isinstance(at, float) else 0.0,
    )


def _find(database: sqlite3.Connection, octets: bytes) -> Found | None:
    rows = [
        Row(*values)
        for values in database.execute(
            f"SELECT {_COLUMNS} FROM rows WHERE id = ? ORDER BY number LIMIT 10",  # noqa: S608
            (octets,),
        )
    ]
    message = next((row for row in rows if row.kind == Kind.MESSAGE), None)
    if message is None:
        return None
    refused = next((row.at for row in rows if row.kind == Kind.REFUSED), None)
    return Found(entry_of(message), refused)


def _of_user(database: sqlite3.Connection, user: str, since: float, until: float) -> list[Entry]:
    rows = database.execute(
        f"SELECT {_COLUMNS} FROM rows WHERE number > ? AND kind = ?"  # noqa: S608
        " AND user = ? AND at BETWEEN ? AND ? ORDER BY number DESC LIMIT ?",
        (_head(database).number - _LOOKED_AT, Kind.MESSAGE, user, since, until, _PAGE // 5),
    )
    return [entry_of(Row(*values)) for values in rows][::-1]


def _sweep(database: sqlite3.Connection, before: float) -> int:
    last, count = None, 0
    for row in database.execute(
        "SELECT number, chain, at FROM rows ORDER BY number LIMIT ?", (_PAGE,)
    ):
        if row[2] >= before:
            break
        last, count = row, count + 1
    if last is None:
        return 0
    database.execute("DELETE FROM rows WHERE number <= ?", (last[0],))
    database.execute("REPLACE INTO anchor (only, number, chain, at) VALUES (1,?,?,?)", last)
    return count


def _page(database: sqlite3.Connection, number: int) -> list[tuple[int, object, Row]]:
    # Text that is none is a row that does not fit, not a fault of the store.
    database.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        return [
            (found, chain, Row(*values))
            for found, chain, *values in database.execute(
                f"SELECT number, chain, {_COLUMNS} FROM rows WHERE number > ?"  # noqa: S608
                " ORDER BY number LIMIT ?",
                (number, _PAGE),
            )
        ]
    finally:
        database.text_factory = str


def _state(database: sqlite3.Connection, number: int) -> tuple[Head, list[tuple[int, object, Row]]]:
    return _anchor(database), _page(database, number)
