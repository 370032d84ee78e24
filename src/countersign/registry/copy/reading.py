"""Reading a copy: single nodes fast, or all from one state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lmdb

from countersign.registry.copy.environment import Environment
from countersign.registry.copy.errors import NoCopyError, explain
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.zone.names import APEX


class Snapshot:
    """One state of the copy, however long it is read and whatever is written meanwhile.

    While it lives, pages that are replaced cannot be used again: the file grows.
    """

    def __init__(self, transaction: Any, table: Any, meta: CopyMeta) -> None:
        self.meta = meta
        self._transaction = transaction
        self._table = table

    def get(self, key: bytes) -> bytes:
        """Return a node; empty: there is none."""
        node: bytes = self._transaction.get(key, b"", self._table)
        return node

    def nodes(
        self, begin: bytes = b"", below: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Give (key, node) in canonical order.

        begin: the first key that is wanted; below: only this name and the names below it.
        """
        return walk(self._transaction, self._table, begin, below)


class CopyReader:
    """Reads the copy, for one thread: a look-up takes no lock."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.seen: CopyMeta | None = None
        """What the last :meth:`get` read from; None: there was no copy."""
        self.forget()
        environment.readers.add(self)

    def forget(self) -> None:
        """Forget which table is the copy."""
        self._version = -1
        self._table: Any = None

    def get(self, key: bytes) -> bytes:
        """Return a node of the newest version; empty: there is none, or no copy.

        Raises :class:`~countersign.registry.copy.errors.CopyError`.
        """
        if self._table is None:
            self._environment.tables()
        try:
            transaction = self._environment.begin()
            try:
                if transaction.id() != self._version:
                    self._look_again(transaction)
                if self._table is None:
                    return b""
                node: bytes = transaction.get(key, b"", self._table)
                return node
            finally:
                transaction.abort()
        except lmdb.Error as error:
            raise explain(self._environment.directory, error) from error

    def meta(self) -> CopyMeta | None:
        """Return what the copy is a copy of; None: there is none yet. Raises ``CopyError``."""
        with self._environment.reading() as transaction:
            if transaction.id() != self._version:
                self._look_again(transaction)
            return self.seen

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Give the newest state to read from, for as long as the block lasts.

        Raises :class:`~countersign.registry.copy.errors.NoCopyError` if there is no copy yet.
        """
        with self._environment.reading() as transaction:
            stored = self._environment.stored_meta(transaction)
            if stored is None:
                raise NoCopyError(
                    f"there is no copy of the zone in {self._environment.directory} yet"
                )
            table = self._environment.tables()[stored.table]
            yield Snapshot(transaction, table, stored.meta)

    def _look_again(self, transaction: Any) -> None:
        stored = self._environment.stored_meta(transaction)
        self.seen = stored.meta if stored else None
        self._table = self._environment.tables()[stored.table] if stored else None
        self._version = transaction.id() if stored else -1


def walk(
    transaction: Any, table: Any, begin: bytes = b"", below: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Give (key, node) of a table in order; see :meth:`Snapshot.nodes`."""
    top = None if below is None or below == APEX else below
    start = max(begin, top or b"")
    with transaction.cursor(db=table) as cursor:
        found = cursor.set_range(start) if start else cursor.first()
        if not found:
            return
        if top is None:
            yield from cursor.iternext(keys=True, values=True)
            return
        inside = top + b"\0"
        for key, node in cursor.iternext(keys=True, values=True):
            if key != top and not key.startswith(inside):
                return
            yield key, node
