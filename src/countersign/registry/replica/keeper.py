"""Holds the copy open for writing, and does to it what the puller decides. Blocking.

All calls come from one thread: a write to LMDB belongs to a thread from its beginning to its end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from countersign.registry.copy.environment import DATA, LOCK
from countersign.registry.copy.errors import CopyError, DamagedCopyError, DeletedCopyError
from countersign.registry.copy.meta import DOUBTED, CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.faults import Fault, LostCopyError, ReplicaError
from countersign.registry.replica.line import Stopper
from countersign.registry.replica.settings import ReplicaConfig
from countersign.registry.replica.transfer import Order, Taken, Transfers
from countersign.registry.transfer.keys import TsigKey

log = structlog.get_logger()

_LOCK = "puller.lock"


class Keeper:
    """The one writer of a copy."""

    def __init__(self, config: ReplicaConfig, key: TsigKey, stopper: Stopper) -> None:
        """Open the copy. Raises :class:`ReplicaError`, whose text says what to do."""
        self._zone = config.zone
        self._directory = config.directory
        self._lock = _only_one(config.directory)
        try:
            self._copy = _open(config.directory)
        except CopyError as error:
            os.close(self._lock)
            raise ReplicaError(Fault.LOCAL, str(error)) from error
        self._transfers = Transfers(self._copy, config.zone, key, config.replica, stopper)

    def meta(self) -> CopyMeta | None:
        """Return what the copy is; None: there is none of our zone. Raises ``ReplicaError``."""
        with self._explained():
            meta = self._copy.meta()
        return meta if meta is not None and meta.zone == self._zone else None

    def confirm(self, checked_at: float) -> None:
        """Note that a primary has the same serial. Raises :class:`ReplicaError`."""
        with self._explained():
            self._copy.touch(checked_at)

    def doubt(self) -> None:
        """Let the copy count as stale at once: it is damaged. Raises :class:`ReplicaError`."""
        with self._explained(), self._copy.changing() as change:
            if change.meta is not None:
                change.commit(
                    serial=change.meta.serial,
                    checked_at=DOUBTED,
                    loaded_at=change.meta.loaded_at,
                )

    def take(self, order: Order) -> Taken:
        """Transfer. Raises :class:`ReplicaError`."""
        with self._explained():
            return self._transfers.take(order)

    def discard(self, error: DamagedCopyError) -> LostCopyError:
        """Delete a copy whose files are damaged; return the error to end the process with."""
        _delete(self._directory)
        return LostCopyError(f"the copy was deleted, to be transferred anew: {error}")

    def close(self) -> None:
        """Close the copy."""
        self._copy.close()
        os.close(self._lock)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DamagedCopyError as error:
            raise self.discard(error) from error
        except DeletedCopyError as error:
            raise LostCopyError(str(error)) from error
        except CopyError as error:
            raise ReplicaError(Fault.LOCAL, str(error)) from error


def _only_one(directory: Path) -> int:
    """Take the lock of who keeps a copy; the kernel drops it with the process."""
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ReplicaError(Fault.LOCAL, f"{directory}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ReplicaError(
            Fault.LOCAL,
            f"another process keeps the copy in {directory} already: with several gateways on "
            "one host set registry.replica.run = false in all but one",
        ) from None
    return descriptor


def _open(directory: Path) -> ZoneCopy:
    try:
        return ZoneCopy.open(directory, writable=True)
    except DamagedCopyError as error:
        log.error("the copy is damaged and is transferred anew", reason=str(error))
        _delete(directory)
        return ZoneCopy.open(directory, writable=True)


def _delete(directory: Path) -> None:
    for name in (DATA, LOCK):
        with contextlib.suppress(FileNotFoundError):
            (directory / name).unlink()
