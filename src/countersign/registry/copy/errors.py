"""What can go wrong with a copy; each text says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

REMEDY = "delete the directory {directory}: it is transferred again"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""LMDB calls a write that ends early an I/O error: mostly a disk that is full."""
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_DAMAGES = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.BadValsizeError,
)


class CopyError(Exception):
    """The copy cannot be used; the text says what to do."""


class NoCopyError(CopyError):
    """There is no copy yet."""


class DamagedCopyError(CopyError):
    """The copy's files are damaged."""


class DeletedCopyError(CopyError):
    """The copy's files were deleted, or replaced by others, while they were in use."""


class CopyFullError(CopyError):
    """There is no room for a change; the copy is as it was."""


class CopyBusyError(CopyError):
    """Another process or thread is replacing the copy now."""


class DivergedError(CopyError):
    """A change does not begin at what the copy holds; nothing of it was done."""


def damaged(directory: Path, reason: object) -> DamagedCopyError:
    """Return the error for damaged files."""
    remedy = REMEDY.format(directory=directory)
    return DamagedCopyError(f"the copy of the zone is damaged ({reason}); {remedy}")


@contextmanager
def explained(directory: Path) -> Iterator[None]:
    """Raise LMDB's errors as :class:`CopyError`."""
    try:
        yield
    except lmdb.Error as error:
        raise explain(directory, error) from error


@contextmanager
def files_explained(directory: Path) -> Iterator[None]:
    """Raise the system's errors as :class:`CopyError`."""
    try:
        yield
    except OSError as error:
        raise _of_code(directory, error.errno, error) from error


def explain(directory: Path, error: lmdb.Error) -> CopyError:
    """Return an error of LMDB as one that says what to do."""
    if isinstance(error, lmdb.MapFullError):
        return CopyFullError(
            f"the copy of the zone in {directory} has reached its greatest size. If something has"
            " been reading an old state of it for long (verify, export), end that; else the zone is"
            " too large for it. The copy is as it was before"
        )
    if isinstance(error, lmdb.ReadersFullError):
        return CopyError(f"too many processes read the copy of the zone in {directory}: end some")
    if isinstance(error, lmdb.PanicError):
        return CopyError(
            f"an earlier write to the copy of the zone in {directory} failed: start this"
            " process again"
        )
    if isinstance(error, _DAMAGES):
        return damaged(directory, error)
    return _of_code(directory, error.code, error)


def _of_code(directory: Path, code: int | None, error: Exception) -> CopyError:
    if code in _NO_ROOM:
        return CopyFullError(
            f"the disk took no more of the copy of the zone in {directory} ({error}): make room,"
            " or see whether it is broken. The copy is as it was before"
        )
    if code in _NOT_ALLOWED:
        return CopyError(
            f"the copy of the zone in {directory} may not be opened by this user: who reads it"
            " needs to read data.mdb and to write lock.mdb, that is to be in the group of the"
            " directory"
        )
    if code == errno.ENOENT:
        return NoCopyError(f"there is no copy of the zone in {directory} yet")
    return CopyError(f"the copy of the zone in {directory} cannot be used: {error}")
