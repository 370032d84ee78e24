"""Delivery into a Maildir: a message of the same name is there once, however often it is put.

tmp/ → fsync → new/, as the format asks; what a reader has moved to cur/ is not put again.
"""

from __future__ import annotations

import os
from pathlib import Path

_FOLDERS = ("tmp", "new", "cur")


def deliver(directory: Path, name: str, content: bytes) -> bool:
    """Put a message into a Maildir, which is made if absent; False: it was there.

    name: of letters, digits, hyphens and dots. Raises :class:`OSError`.
    """
    for folder in _FOLDERS:
        (directory / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    new = directory / "new" / name
    if new.exists() or any((directory / "cur").glob(f"{name}:*")):
        return False
    # A name of its own: a worker that was taken for dead may still be writing.
    draft = directory / "tmp" / f"{name}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(new)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(directory / "new")
    return True


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
