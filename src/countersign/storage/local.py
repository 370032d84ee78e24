"""The shared tables of one host: a memory-mapped store that all its processes write to.

LMDB: readers take no locks, writers one mutex that survives the death of its holder. Nothing
is synced to the disk: after a crash of the machine sessions are gone anyway, and a process
that dies, however, leaves the store whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lmdb

from countersign.storage.owner import ProcessOwner
from countersign.storage.tables import (
    Block,
    OpenSession,
    Suspension,
    SuspensionKind,
    TablesUnavailableError,
)

MAP_SIZE = 1 << 30
"""Octets of address space, not of disk: the file grows as rows come."""
MAX_KEY = 500
_SWEEP_BATCH = 10_000
_SEPARATOR = b"\0"


class LocalTables:
    """Implements :class:`~countersign.storage.tables.Tables` on one host."""

    def __init__(self, directory: Path, *, map_size: int = MAP_SIZE) -> None:
        """Open or make the store. Raises :class:`TablesUnavailableError`."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._owner = ProcessOwner(directory)
            self._store = lmdb.open(
                str(directory / "tables"),
                map_size=map_size,
                max_dbs=5,
                max_readers=1024,
                sync=False,
                metasync=False,
                mode=0o600,
            )
            self._sessions = self._store.open_db(b"sessions")
            self._owned = self._store.open_db(b"owned")
            self._suspensions = self._store.open_db(b"suspensions")
            self._blocks = self._store.open_db(b"blocks")
            self._counters = self._store.open_db(b"counters")
        except (OSError, lmdb.Error) as error:
            raise TablesUnavailableError(f"cannot open {directory}: {error}") from error

    # -- sessions -----------------------------------------------------------------------------

    async def open_session(self, session: OpenSession) -> None:
        """Store a row that dies with this process."""
        row = asdict(session) | {"owner": self._owner.token}
        key = _key(session.session_id)
        with self._writing() as transaction:
            transaction.put(key, _pack(row), db=self._sessions)
            transaction.put(_key(self._owner.token, session.session_id), b"", db=self._owned)

    async def close_session(self, session_id: str) -> None:
        """Delete a row."""
        with self._writing() as transaction:
            transaction.delete(_key(session_id), db=self._sessions)
            transaction.delete(_key(self._owner.token, session_id), db=self._owned)

    async def find_session(self, session_id: str) -> OpenSession | None:
        """Return the row, if its process lives."""
        with self._reading() as transaction:
            row = _unpack(transaction.get(_key(session_id), db=self._sessions))
        if row is None or not self._owner.is_alive(row.pop("owner")):
            return None
        return OpenSession(**row)

    async def mark_asked(self, session_id: str) -> bool:
        """Mark a row as asked, once."""
        key = _key(session_id)
        with self._writing() as transaction:
            row = _unpack(transaction.get(key, db=self._sessions))
            if row is None or row["asked"] or not self._owner.is_alive(row["owner"]):
                return False
            transaction.put(key, _pack(row | {"asked": True}), db=self._sessions)
            return True

    # -- suspensions ---------------------------------------------------------------------------

    async def suspension(self, network: str, now: float) -> Suspension | None:
        """Return the suspension in force."""
        with self._reading() as transaction:
            return _suspension(transaction.get(_key(network), db=self._suspensions), now)

    async def suspend(self, network: str, suspension: Suspension) -> None:
        """Start a suspension; a strict one in force stays strict."""
        key = _key(network)
        with self._writing() as transaction:
            current = _suspension(transaction.get(key, db=self._suspensions), 0)
            if (
                suspension.kind is SuspensionKind.ANSWERED
                and current is not None
                and current.kind is SuspensionKind.WRONG_ID
                and current.until >= suspension.until
            ):
                return
            row = {"kind": suspension.kind.value, "until": suspension.until}
            transaction.put(key, _pack(row), db=self._suspensions)

    # -- blocks --------------------------------------------------------------------------------

    async def block(self, block: Block) -> None:
        """Start a block."""
        key = _key(block.network, block.claimed_host)
        with self._writing() as transaction:
            transaction.put(key, _pack(asdict(block)), db=self._blocks)

    async def blocks_of(self, network: str, now: float) -> list[Block]:
        """Return the blocks in force for a network."""
        with self._reading() as transaction:
            rows = list(_rows(transaction, self._blocks, _key(network, "")))
        return [Block(**row) for _, row in rows if row["until"] > now]

    async def unblock(self, network: str, claimed_host: str | None = None) -> int:
        """Lift blocks of a network."""
        prefix = _key(network, claimed_host or "")
        with self._writing() as transaction:
            keys = [
                key
                for key, _ in _rows(transaction, self._blocks, prefix)
                if claimed_host is None or key == prefix
            ]
            for key in keys:
                transaction.delete(key, db=self._blocks)
        return len(keys)

    async def list_blocks(self, now: float, limit: int = 1000) -> list[Block]:
        """Return blocks in force, the newest first."""
        with self._reading() as transaction:
            rows = [row for _, row in _rows(transaction, self._blocks, b"") if row["until"] > now]
        rows.sort(key=lambda row: row["since"], reverse=True)
        return [Block(**row) for row in rows[:limit]]

    # -- counters and upkeep ---------------------------------------------------------------------

    async def count(self, counter: str, window: float, now: float) -> int:
        """Add one to a counter of a fixed window."""
        key = _key(counter)
        with self._writing() as transaction:
            row = _unpack(transaction.get(key, db=self._counters))
            current = row if row is not None and row["until"] > now else None
            value = 1 if current is None else current["value"] + 1
            until = now + window if current is None else current["until"]
            transaction.put(key, _pack({"value": value, "until": until}), db=self._counters)
            return int(value)

    async def sweep(self, now: float) -> int:
        """Delete expired rows and rows of dead processes, a batch at most of each kind."""
        swept = 0
        for token in self._owner.dead():
            swept += self._delete_sessions_of(token)
            self._owner.forget(token)
        for database in (self._suspensions, self._blocks, self._counters):
            swept += self._delete_expired(database, now)
        return swept

    async def aclose(self) -> None:
        """Delete this process's rows and close the store."""
        self._delete_sessions_of(self._owner.token)
        self._owner.release()
        self._store.close()

    def _delete_sessions_of(self, token: str) -> int:
        prefix = _key(token, "")
        with self._writing() as transaction:
            keys = [key for key, _ in _rows(transaction, self._owned, prefix)]
            for key in keys:
                transaction.delete(key.removeprefix(prefix), db=self._sessions)
                transaction.delete(key, db=self._owned)
        return len(keys)

    def _delete_expired(self, database: Any, now: float) -> int:
        with self._reading() as transaction:
            expired = []
            for key, row in _rows(transaction, database, b""):
                if row["until"] <= now:
                    expired.append(key)
                if len(expired) >= _SWEEP_BATCH:
                    break
        if expired:
            with self._writing() as transaction:
                for key in expired:
                    current = _unpack(transaction.get(key, db=database))
                    if current is not None and current["until"] <= now:
                        transaction.delete(key, db=database)
        return len(expired)

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        try:
            with self._store.begin(write=True) as transaction:
                yield transaction
        except lmdb.Error as error:
            raise TablesUnavailableError(str(error)) from error

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        try:
            with self._store.begin() as transaction:
                yield transaction
        except lmdb.Error as error:
            raise TablesUnavailableError(str(error)) from error


def _key(*parts: str) -> bytes:
    key = _SEPARATOR.join(part.encode() for part in parts)
    if len(key) > MAX_KEY:
        raise TablesUnavailableError("a key is too long")
    return key


def _pack(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()


def _unpack(value: bytes | None) -> dict[str, Any] | None:
    return json.loads(value) if value else None


def _suspension(value: bytes | None, now: float) -> Suspension | None:
    row = _unpack(value)
    if row is None or row["until"] <= now:
        return None
    return Suspension(SuspensionKind(row["kind"]), row["until"])


def _rows(transaction: Any, database: Any, prefix: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield (key, row) of all keys that begin with a prefix."""
    with transaction.cursor(db=database) as cursor:
        found = cursor.set_range(prefix) if prefix else cursor.first()
        while found and cursor.key().startswith(prefix):
            yield bytes(cursor.key()), _unpack(bytes(cursor.value())) or {}
            found = cursor.next()
