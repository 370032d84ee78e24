"""Files for the probe's eyes only, which are whole or not there after a crash."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE = 0o600


def write_private(path: Path, octets: bytes) -> None:
    """Put a file in place, mode 0600, on the disk when this returns. Raises :class:`OSError`."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(draft, flags, PRIVATE), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have a directory's entries on the disk. Raises :class:`OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bounded(path: Path, most: int) -> bytes | None:
    """Return a file's content; None: it is longer than ``most`` octets. Raises :class:`OSError`."""
    with path.open("rb") as file:
        octets = file.read(most + 1)
    return octets if len(octets) <= most else None
