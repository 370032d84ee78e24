"""A copy of the zone on this host: a cache that can be deleted at any time (DESIGN §7).

An LMDB environment of two data tables, one of which is the copy, and a record that says which.
Whatever belongs together is one transaction, synced to the disk at its end: after ``kill -9``
or a loss of power, at any point, the old copy is there whole, or the new one. Any number of
processes read it without locks. They need to read ``data.mdb`` and to write ``lock.mdb``, where
each notes which state it reads: users in the group of the directory can do both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from countersign.registry.copy.changing import Changing
from countersign.registry.copy.check import faults_of
from countersign.registry.copy.errors import CopyBusyError, CopyError, DivergedError
from countersign.registry.copy.meta import CopyMeta, StoredMeta
from countersign.registry.copy.reading import CopyReader
from countersign.registry.copy.replacing import (
    Replacing,
    clear_inactive,
    is_half_made,
    only_one,
)
from countersign.registry.copy.sharing import acquire, release
from countersign.registry.zone.changes import NodeChange

MAP_SIZE = 64 << 30
"""Octets of address space, not of disk: the file grows as the zone does."""
TOUCH_SECONDS = 10.0


class ZoneCopy:
    """An open copy."""

    def __init__(self, directory: Path, *, writable: bool, map_size: int) -> None:
        self.directory = directory
        self._environment = acquire(directory, writable=writable, map_size=map_size)
        self._reader = CopyReader(self._environment)
        self._writable = writable
        self._touched = 0.0
        self._is_open = True

    @classmethod
    def open(cls, directory: Path, *, writable: bool, map_size: int = MAP_SIZE) -> ZoneCopy:
        """Open the copy in a directory; one to write to is made if it is missing.

        map_size: the greatest size of its file, octets. Raises :class:`CopyError`;
        :class:`~countersign.registry.copy.errors.NoCopyError` if there is none to read.
        """
        copy = cls(directory, writable=writable, map_size=map_size)
        if writable:
            try:
                if is_half_made(copy._environment):
                    with only_one(directory) as is_mine:
                        if is_mine:
                            clear_inactive(copy._environment)
            except BaseException:
                copy.close()
                raise
        return copy

    def reader(self) -> CopyReader:
        """Return a reader, for one thread."""
        return CopyReader(self._environment)

    def meta(self) -> CopyMeta | None:
        """Return what the copy is a copy of; None: there is none yet. Raises ``CopyError``."""
        meta = self._reader.meta()
        if meta is not None and 0 < self._touched - meta.checked_at < TOUCH_SECONDS:
            return replace(meta, checked_at=self._touched)
        return meta

    def apply(self, changes: Iterable[NodeChange], meta: CopyMeta) -> CopyMeta:
        """Make changes, all or none; return what the copy is then.

        meta: of what results; ``records`` is counted here, and a ``node_sum`` that is not empty
        must be what results. Raises :class:`DivergedError` if a change does not begin at what
        is there, and :class:`CopyError`.
        """
        with self.changing() as changing:
            for change in changes:
                changing.change(change)
            if meta.node_sum and changing.node_sum != meta.node_sum:
                raise DivergedError("the changes do not lead to the sum that they should")
            return changing.commit(
                zone=meta.zone,
                serial=meta.serial,
                checked_at=meta.checked_at,
                source=meta.source,
                loaded_at=meta.loaded_at,
            )

    @contextmanager
    def changing(self) -> Iterator[Changing]:
        """Change records; nothing is done without :meth:`Changing.commit`.

        One thread from the beginning to the end; others that write wait. Raises ``CopyError``.
        """
        self._must_be_writable()
        with self._environment.writing() as transaction:
            change = Changing(self._environment, transaction)
            yield change
            if change.committed is None:
                transaction.abort()

    @contextmanager
    def replacing(self) -> Iterator[Replacing]:
        """Write another copy; the old one stays unless there is a :meth:`Replacing.commit`.

        Raises :class:`CopyError`; :class:`~countersign.registry.copy.errors.CopyBusyError` if
        another process is replacing it now.
        """
        self._must_be_writable()
        with only_one(self.directory) as is_mine:
            if not is_mine:
                raise CopyBusyError(
                    f"another process is replacing the copy of the zone in {self.directory}"
                )
            self._environment.check_readers()
            made = Replacing(self._environment)
            try:
                yield made
            finally:
                if made.committed is None:
                    # If there is no room even for that, the next one does it.
                    with suppress(CopyError):
                        clear_inactive(self._environment)

    def touch(self, checked_at: float) -> None:
        """Note that the copy is what the primary has.

        checked_at: Unix seconds. Written down for other processes every 10 seconds at most.
        """
        self._must_be_writable()
        self._touched = checked_at
        meta = self._reader.meta()
        # A clock that was set back is believed as well: else the copy would seem current for long.
        if meta is None or abs(checked_at - meta.checked_at) < TOUCH_SECONDS:
            return
        self._environment.check_readers()
        with self._environment.writing() as transaction:
            stored = self._environment.stored_meta(transaction)
            if stored is not None:
                touched = replace(stored.meta, checked_at=checked_at)
                self._environment.store_meta(transaction, StoredMeta(stored.table, touched))

    def verify(self) -> list[str]:
        """Go through the whole copy and return what is wrong with it, for people to read."""
        return faults_of(self._reader)

    def close(self) -> None:
        """Close it; readers made from it cannot be used any more."""
        if self._is_open:
            self._is_open = False
            release(self._environment)

    def _must_be_writable(self) -> None:
        if not self._writable:
            raise CopyError(f"the copy of the zone in {self.directory} was opened for reading")

    def __enter__(self) -> ZoneCopy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
