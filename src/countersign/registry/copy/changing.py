"""Changing a copy record by record or node by node, in one transaction."""

from __future__ import annotations

from typing import Any

from countersign.registry.copy.environment import Environment
from countersign.registry.copy.errors import CopyError, DivergedError
from countersign.registry.copy.meta import CopyMeta, Peak, StoredMeta
from countersign.registry.copy.reading import Snapshot
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.digest import SUM_SIZE, NodeSum
from countersign.registry.zone.names import MAX_KEY, text_of
from countersign.registry.zone.records import MAX_NODE, make_node, read_record, split_node

_PENDING_NODES = 50_000
_PENDING_OCTETS = 32 * 1024 * 1024


class Changing:
    """Changes of the copy: seen by nobody until :meth:`commit`.

    All calls must come from the thread that began it (the lock is a thread's).
    """

    def __init__(self, environment: Environment, transaction: Any) -> None:
        self.committed: CopyMeta | None = None
        self._environment = environment
        self._transaction = transaction
        self._stored = environment.stored_meta(transaction)
        self._name = self._stored.table if self._stored else "a"
        self._table = environment.tables()[self._name]
        self._sum = NodeSum(self._stored.meta.node_sum if self._stored else bytes(SUM_SIZE))
        self._records = self._stored.meta.records if self._stored else 0
        self._pending: dict[bytes, tuple[bytes, set[bytes]]] = {}
        self._octets = 0

    @property
    def meta(self) -> CopyMeta | None:
        """What the copy was before; None: there was none."""
        return self._stored.meta if self._stored else None

    @property
    def node_sum(self) -> bytes:
        """The sum over all nodes as they are now."""
        self._flush()
        return self._sum.to_bytes()

    @property
    def records(self) -> int:
        """How many records there are now."""
        self._flush()
        return self._records

    def get(self, key: bytes) -> bytes:
        """Return a node as it is now; empty: there is none."""
        pending = self._pending.get(key)
        return make_node(pending[1]) if pending is not None else self._read(key)

    def snapshot(self) -> Snapshot:
        """Return all as it is now, to read before anything else is changed.

        Its meta is that of before, with the new sum and count.
        """
        self._flush()
        return Snapshot(self._transaction, self._table, self._new_meta("", 0, 0.0))

    def add(self, key: bytes, record: bytes) -> None:
        """Add a record. Raises :class:`DivergedError` if it is there."""
        read_record(record)
        records = self._records_of(key)
        if record in records:
            raise DivergedError(f"a record to add is there already, at {text_of(key)}")
        records.add(record)
        self._octets += len(record)
        if self._octets >= _PENDING_OCTETS:
            # Of one owner, too, there may come any number.
            self._flush()

    def remove(self, key: bytes, record: bytes) -> None:
        """Remove a record. Raises :class:`DivergedError` if it is not there."""
        records = self._records_of(key)
        if record not in records:
            raise DivergedError(f"a record to remove is not there, at {text_of(key)}")
        records.remove(record)

    def put(self, key: bytes, node: bytes) -> None:
        """Make a node what is given; empty: remove it. Raises ``RecordError``."""
        records = set(split_node(node))
        self._records_of(key)
        self._pending[key] = (self._pending[key][0], records)
        self._octets += len(node)

    def change(self, change: NodeChange) -> None:
        """Make a change. Raises :class:`DivergedError` if ``before`` is not what is there."""
        if self.get(change.key) != change.before:
            raise DivergedError(f"a node is not what a change begins at: {text_of(change.key)}")
        self.put(change.key, change.after)

    def commit(
        self,
        *,
        serial: int,
        checked_at: float,
        zone: str = "",
        source: str | None = None,
        loaded_at: float | None = None,
        peak: Peak | None = None,
    ) -> CopyMeta:
        """Have all this made at the end of the block; return what the copy is then.

        checked_at: Unix seconds. zone, source, peak: as before, if not given; loaded_at:
        checked_at.
        """
        if self.committed is not None:
            raise CopyError("these changes were committed already")
        self._flush()
        meta = self._new_meta(
            zone, serial, checked_at, source=source, loaded_at=loaded_at, peak=peak
        )
        stored = StoredMeta(self._name, meta)
        self._environment.store_meta(self._transaction, stored)
        self.committed = meta
        return meta

    def _new_meta(
        self,
        zone: str,
        serial: int,
        checked_at: float,
        *,
        source: str | None = None,
        loaded_at: float | None = None,
        peak: Peak | None = None,
    ) -> CopyMeta:
        old = self.meta
        if peak is None:
            peak = Peak(old.peak_records, old.peak_at) if old else Peak()
        return CopyMeta(
            zone=zone or (old.zone if old else ""),
            serial=serial,
            records=self._records,
            node_sum=self._sum.to_bytes(),
            checked_at=checked_at,
            loaded_at=checked_at if loaded_at is None else loaded_at,
            source=source if source is not None else (old.source if old else ""),
            peak_records=peak.records,
            peak_at=peak.at,
        )

    def _records_of(self, key: bytes) -> set[bytes]:
        if self.committed is not None:
            raise CopyError("these changes were committed already")
        pending = self._pending.get(key)
        if pending is None:
            if len(self._pending) >= _PENDING_NODES or self._octets >= _PENDING_OCTETS:
                self._flush()
            if not 0 < len(key) <= MAX_KEY:
                raise CopyError("the key of a node has too many octets, or none")
            before = self._read(key)
            pending = self._pending[key] = (before, set(split_node(before)))
            self._octets += len(before)
        return pending[1]

    def _read(self, key: bytes) -> bytes:
        node: bytes = self._transaction.get(key, b"", self._table)
        return node

    def _flush(self) -> None:
        for key in sorted(self._pending):
            before, records = self._pending[key]
            after = make_node(records)
            if after != before:
                self._write(key, before, after)
                self._records += len(records) - len(split_node(before))
        self._pending.clear()
        self._octets = 0

    def _write(self, key: bytes, before: bytes, after: bytes) -> None:
        if len(after) > MAX_NODE:
            raise CopyError(f"a name has too many records: {text_of(key)}")
        self._sum.remove(key, before)
        self._sum.add(key, after)
        if after:
            self._transaction.put(key, after, db=self._table)
        else:
            self._transaction.delete(key, db=self._table)
