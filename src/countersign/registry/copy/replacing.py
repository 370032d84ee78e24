"""Replacing a copy by another one, written beside it in bounded memory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from countersign.registry.copy.environment import Environment
from countersign.registry.copy.errors import CopyError, files_explained
from countersign.registry.copy.meta import CopyMeta, Peak, StoredMeta
from countersign.registry.copy.reading import Snapshot
from countersign.registry.zone.digest import NodeSum
from countersign.registry.zone.names import MAX_KEY, text_of
from countersign.registry.zone.records import MAX_NODE, make_node, split_node

_CHUNK_NODES = 100_000
_CHUNK_OCTETS = 32 * 1024 * 1024
_OWNER_RECORDS = 1000
"""Held of one owner until they are put together; each may have 64 KiB."""
_LOCK_FILE = "replacing.lock"


class Replacing:
    """A new copy in the making: seen by nobody until :meth:`commit`.

    Records come in any order; those of one owner may come apart. What comes in canonical
    order, as servers send zones, is written fastest.
    """

    def __init__(self, environment: Environment) -> None:
        self.committed: CopyMeta | None = None
        self._environment = environment
        self._name = clear_inactive(environment)
        self._table = environment.tables()[self._name]
        self._owner = b""
        self._owner_records: list[bytes] = []
        self._chunk: dict[bytes, bytes] = {}
        self._octets = 0
        self._last = b""
        self._sum = NodeSum()
        self._records = 0

    @property
    def node_sum(self) -> bytes:
        """The sum over all nodes given so far."""
        self._write_chunk()
        return self._sum.to_bytes()

    @property
    def records(self) -> int:
        """How many records were given so far, each counted once."""
        self._write_chunk()
        return self._records

    def add(self, key: bytes, record: bytes) -> None:
        """Add a record, a whole one; twice is once."""
        if key != self._owner or len(self._owner_records) >= _OWNER_RECORDS:
            self._close_owner()
            self._owner = key
        self._owner_records.append(record)

    def add_all(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Add (key, record) as :meth:`add` does, faster than one by one."""
        owner, mine = self._owner, self._owner_records
        for key, record in records:
            if key != owner or len(mine) >= _OWNER_RECORDS:
                self._close_owner()
                self._owner, owner, mine = key, key, self._owner_records
            mine.append(record)

    def put(self, key: bytes, node: bytes) -> None:
        """Add all records of a node. Raises ``RecordError``."""
        for record in split_node(node):
            self.add(key, record)

    def get(self, key: bytes) -> bytes:
        """Return a node as it is so far; empty: there is none."""
        with self.snapshot() as snapshot:
            return snapshot.get(key)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Give all that was added so far; its meta has the sum and the count only."""
        self._write_chunk()
        meta = CopyMeta("", 0, self._records, self._sum.to_bytes(), 0.0, 0.0)
        with self._environment.reading() as transaction:
            yield Snapshot(transaction, self._table, meta)

    def commit(
        self,
        *,
        zone: str,
        serial: int,
        checked_at: float,
        source: str = "",
        loaded_at: float | None = None,
        peak: Peak = Peak(),  # noqa: B008 - a value that nobody can change
    ) -> CopyMeta:
        """Put it in the place of the old copy, at once and on the disk; return what it is.

        checked_at: Unix seconds; loaded_at: checked_at, if not given.
        """
        if self.committed is not None:
            raise CopyError("this copy was committed already")
        self._write_chunk()
        loaded = checked_at if loaded_at is None else loaded_at
        meta = CopyMeta(
            zone, serial, self._records, self._sum.to_bytes(), checked_at, loaded, source, *peak
        )
        stored = StoredMeta(self._name, meta)
        with self._environment.writing() as transaction:
            self._environment.store_meta(transaction, stored)
            transaction.drop(self._environment.tables()[_other(self._name)], delete=False)
        self.committed = meta
        return meta

    def _close_owner(self) -> None:
        records = self._owner_records
        if not records:
            return
        key, self._owner_records = self._owner, []
        count = len(records)
        if count == 1:
            node = records[0]
        elif count == 2 and records[0][:2] < records[1][:2]:
            # In order by their types: what most names are.
            node = records[0] + records[1]
        else:
            distinct = set(records)
            node, count = make_node(distinct), len(distinct)
        self._records += count
        self._keep(key, node)

    def _keep(self, key: bytes, node: bytes) -> None:
        if not 0 < len(key) <= MAX_KEY:
            raise CopyError("the key of a node has too many octets, or none")
        chunk = self._chunk
        if key in chunk:
            node = self._merge(key, chunk[key], node)
        elif len(node) > MAX_NODE:
            raise CopyError(f"a name has too many records: {text_of(key)}")
        chunk[key] = node
        self._octets += len(node)
        if len(chunk) >= _CHUNK_NODES or self._octets >= _CHUNK_OCTETS:
            self._write_chunk()

    def _merge(self, key: bytes, one: bytes, other: bytes) -> bytes:
        """Return two nodes of one owner as one, and count what was counted twice out."""
        records = [*split_node(one), *split_node(other)]
        distinct = set(records)
        node = make_node(distinct)
        if len(node) > MAX_NODE:
            raise CopyError(f"a name has too many records: {text_of(key)}")
        self._records -= len(records) - len(distinct)
        return node

    def _write_chunk(self) -> None:
        self._close_owner()
        if not self._chunk:
            return
        items = sorted(self._chunk.items())
        with self._environment.writing() as transaction:
            in_order = items[0][0] > self._last
            if not in_order:
                items = self._merged(transaction, items)
            self._sum.add_all(items)
            transaction.cursor(db=self._table).putmulti(items, append=in_order)
        self._last = max(self._last, items[-1][0])
        self._chunk, self._octets = {}, 0

    def _merged(
        self, transaction: Any, items: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        merged = []
        for key, node in items:
            written = transaction.get(key, b"", self._table)
            if written:
                self._sum.remove(key, written)
                merged.append((key, self._merge(key, written, node)))
            else:
                merged.append((key, node))
        return merged


def is_half_made(environment: Environment) -> bool:
    """Tell whether the table that is not the copy has something in it."""
    with environment.reading() as transaction:
        table = environment.tables()[_inactive(environment, transaction)]
        return bool(transaction.stat(table)["entries"])


def clear_inactive(environment: Environment) -> str:
    """Empty the table that is not the copy; return its name."""
    with environment.writing() as transaction:
        name = _inactive(environment, transaction)
        table = environment.tables()[name]
        if transaction.stat(table)["entries"]:
            transaction.drop(table, delete=False)
    return name


@contextmanager
def only_one(directory: Path) -> Iterator[bool]:
    """Hold the lock of who replaces a copy; give False if another process or thread has it."""
    with files_explained(directory):
        descriptor = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _inactive(environment: Environment, transaction: Any) -> str:
    stored = environment.stored_meta(transaction)
    return _other(stored.table) if stored else "b"


def _other(name: str) -> str:
    return "b" if name == "a" else "a"
