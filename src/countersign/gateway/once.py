"""Files that are made once, by whichever process comes first, and are private to this user."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def create_once(path: Path, content: bytes) -> bytes:
    """Write a new file of mode 0600, or keep what is there; return the file's content.

    Atomic: the file appears whole or not at all, and of two processes that race one wins and
    both return the winner's content. Raises :class:`OSError`.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A hard link, unlike a rename, does not replace what another process made meanwhile.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    return path.read_bytes()
