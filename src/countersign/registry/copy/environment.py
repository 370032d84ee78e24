"""The LMDB environment of a copy, opened once in a process however many use it.

LMDB's locks belong to a process: opening one environment twice in a process would undo them.
After a fork a child cannot use what its parent had opened: it would read pages that are being
written over. So it is told to.

Each commit is synced (LMDB's default), the chunks of a new table too: with ``sync=False`` pages
of the last whole state can be written over before the next state is on the disk, and a loss
of power would leave neither. ``writemap`` would spare copying pages, and let one stray write
of a process damage the file. Neither is worth it: Python is the slower part by far.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

import lmdb

from countersign.registry.copy.errors import (
    CopyError,
    DeletedCopyError,
    damaged,
    explained,
    files_explained,
)
from countersign.registry.copy.meta import StoredMeta, unpack_meta

MAX_READERS = 1024
"""Read transactions at one time, of all processes together."""
DATA, LOCK = "data.mdb", "lock.mdb"
_TABLES = (b"a", b"b", b"meta")
_META_KEY = b"meta"


class Reader(Protocol):
    """What remembers something of an open environment."""

    def forget(self) -> None:
        """Forget it: the environment was opened anew."""


class Environment:
    """The open files of one copy."""

    def __init__(self, directory: Path, *, writable: bool, map_size: int) -> None:
        self.directory = directory
        self.users = 0
        self.readers: WeakSet[Reader] = WeakSet()
        self._opening = threading.Lock()
        self._open(writable=writable, map_size=map_size)
        self.identity = identity_of(directory)

    def make_writable(self, map_size: int) -> None:
        """Open the files again, to write. Snapshots that are still read end with an error."""
        self.close()
        for reader in list(self.readers):
            reader.forget()
        try:
            self._open(writable=True, map_size=map_size)
        except CopyError:
            self._open(writable=False, map_size=map_size)
            raise

    def _open(self, *, writable: bool, map_size: int) -> None:
        self.writable = writable
        self._tables: dict[str, Any] = {}
        with explained(self.directory), files_explained(self.directory):
            self._lmdb = lmdb.open(
                str(self.directory),
                map_size=map_size,
                max_dbs=len(_TABLES),
                max_readers=MAX_READERS,
                max_spare_txns=1,
                readonly=not writable,
                create=False,
                mode=0o640,
            )
            # Called by every look-up: one attribute less to go through.
            self.begin: Callable[..., Any] = self._lmdb.begin
            try:
                self._check_size()
                if writable:
                    self._prepare()
            except BaseException:
                self.close()
                raise

    def tables(self) -> dict[str, Any]:
        """Return the handles of the tables; none, if there is nothing in the file yet."""
        if not self._tables:
            with self._opening, explained(self.directory):
                try:
                    self._tables = self._open_tables()
                except lmdb.NotFoundError:
                    return {}
        return self._tables

    def stored_meta(self, transaction: Any) -> StoredMeta | None:
        """Return the record on the copy; None: there is no copy yet."""
        # Tables opened only now would be unknown to this transaction.
        table = self._tables.get("meta")
        octets = None if table is None else transaction.get(_META_KEY, db=table)
        if octets is None:
            return None
        try:
            return unpack_meta(octets)
        except ValueError as error:
            raise damaged(self.directory, error) from None

    def store_meta(self, transaction: Any, stored: StoredMeta) -> None:
        """Write the record on the copy."""
        transaction.put(_META_KEY, stored.pack(), db=self.tables()["meta"])

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Give a write transaction: committed and on the disk at the end of the block."""
        if identity_of(self.directory) != self.identity:
            raise DeletedCopyError(
                f"the copy of the zone in {self.directory} was deleted while it was in use:"
                " start this process again"
            )
        with explained(self.directory):
            with self.begin(write=True) as transaction:
                yield transaction
            self._fill_up()

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Give a read transaction."""
        self.tables()
        with explained(self.directory), self.begin() as transaction:
            yield transaction

    def check_readers(self) -> int:
        """Free the places of readers that died; return how many."""
        with explained(self.directory):
            return int(self._lmdb.reader_check())

    def check(self) -> None:
        """Raise :class:`CopyError`, and close, if the record on the copy cannot be read."""
        try:
            with self.reading() as transaction:
                self.stored_meta(transaction)
        except CopyError:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        self.begin = self._refuse_closed
        self._lmdb.close()

    def leave_to_parent(self) -> None:
        """In a child: use it no more, and do not close it: that would free the parent's places."""
        self.begin = self._refuse_forked

    def _sizes(self) -> tuple[int, int]:
        """Return the file's size and how many octets it should have at least."""
        pages = self._lmdb.info()["last_pgno"] + 1
        return (self.directory / DATA).stat().st_size, pages * self._lmdb.stat()["psize"]

    def _check_size(self) -> None:
        size, wanted = self._sizes()
        if size < wanted:
            # To go on would end in a signal: the pages that are missing are mapped.
            raise damaged(self.directory, "its file was cut off")

    def _fill_up(self) -> None:
        # LMDB does not write pages at the end that were used and left in one transaction.
        with files_explained(self.directory):
            size, wanted = self._sizes()
            if size < wanted:
                os.truncate(self.directory / DATA, wanted)

    def _prepare(self) -> None:
        # LMDB gives both files one mode, but readers of the group must write to the lock.
        group = self.directory.stat().st_gid
        for name, mode in ((DATA, 0o640), (LOCK, 0o660)):
            path = self.directory / name
            if path.stat().st_uid == os.geteuid():
                with suppress(PermissionError):
                    os.chown(path, -1, group)
                path.chmod(mode)
        self._tables = self._open_tables()
        self._lmdb.reader_check()

    def _open_tables(self) -> dict[str, Any]:
        if not self.writable:
            return {name.decode(): self._lmdb.open_db(name, create=False) for name in _TABLES}
        with self._lmdb.begin(write=True) as transaction:
            return {name.decode(): self._lmdb.open_db(name, txn=transaction) for name in _TABLES}

    def _refuse_closed(self, *_: Any, **__: Any) -> Any:
        raise CopyError(f"the copy of the zone in {self.directory} was closed")

    def _refuse_forked(self, *_: Any, **__: Any) -> Any:
        raise CopyError(
            f"the copy of the zone in {self.directory} was opened before this process was forked:"
            " open it in the child only"
        )


def identity_of(directory: Path) -> tuple[int, int] | None:
    """Return what tells the copy's file from another one at its place; None: there is none."""
    try:
        state = (directory / DATA).stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
