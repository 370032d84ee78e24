"""Holds the copy open for writing, and does to it what the puller decides. Blocking.

All calls come from one thread: a write to LMDB belongs to a thread from its beginning to its end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import structlog

from countersign.registry.copy.environment import DATA, LOCK
from countersign.registry.copy.errors import CopyError, DamagedCopyError
from countersign.registry.copy.meta import DOUBTED, CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.faults import Fault, ReplicaError
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
        self._lock = _only_one(config.directory)
        try:
            self._copy = _open(config.directory)
        except CopyError as error:
            os.close(self._lock)
            raise ReplicaError(Fault.LOCAL, str(error)) from error
        self._transfers = Transfers(self._copy, config.zone, key, config.replica, stopper)

    def meta(self) -> CopyMeta | None:
        """Return what the copy is; None: there is none of our zone. Raises ``ReplicaError``."""
        try:
            meta = self._copy.meta()
        except CopyError as error:
            raise ReplicaError(Fault.LOCAL, str(error)) from error
        return meta if meta is not None and meta.zone == self._zone else None

    def confirm(self, checked_at: float) -> None:
        """Note that a primary has the same serial. Raises :class:`ReplicaError`."""
        try:
            self._copy.touch(checked_at)
        except CopyError as error:
            raise ReplicaError(Fault.LOCAL, str(error)) from error

    def doubt(self) -> None:
        """Let the copy count as stale at once: it is damaged. Raises :class:`ReplicaError`."""
        try:
            with self._copy.changing() as change:
                if change.meta is not None:
                    change.commit(
                        serial=change.meta.serial,
                        checked_at=DOUBTED,
                        loaded_at=change.meta.loaded_at,
                    )
        except CopyError as error:
            raise ReplicaError(Fault.LOCAL, str(error)) from error

    def take(self, order: Order) -> Taken | None:
        """Transfer; None: there is nothing newer. Raises :class:`ReplicaError`."""
        return self._transfers.take(order)

    def close(self) -> None:
        """Close the copy."""
        self._copy.close()
        os.close(self._lock)


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
        for name in (DATA, LOCK):
            with contextlib.suppress(FileNotFoundError):
                (directory / name).unlink()
        return ZoneCopy.open(directory, writable=True)
