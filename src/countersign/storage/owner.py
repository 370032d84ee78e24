"""Which processes are alive: rows die with the process that owns them (DESIGN §3.2).

Each process holds a lock on a file of its own; the kernel drops it when the process ends,
also by kill -9. Unlike a process id, a token is never used twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path


class ProcessOwner:
    """This process's token, and a look at others'."""

    def __init__(self, directory: Path) -> None:
        """``directory`` is shared by all processes of the host. Raises :class:`OSError`."""
        self._directory = directory / "owners"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.token = secrets.token_hex(16)
        # Locked before it has its name: a file that can be seen is one that is held.
        path = self._path(self.token)
        temporary = path.with_suffix(".new")
        self._descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        temporary.rename(path)

    def is_alive(self, token: str) -> bool:
        """Tell whether the process of a token is running."""
        if token == self.token:
            return self._descriptor >= 0
        try:
            descriptor = os.open(self._path(token), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def dead(self) -> list[str]:
        """Return the tokens of processes that ended without :meth:`release`."""
        tokens = (path.stem for path in self._directory.glob("*.lock"))
        return [token for token in tokens if not self.is_alive(token)]

    def forget(self, token: str) -> None:
        """Remove what a dead process left, once its rows are deleted."""
        self._path(token).unlink(missing_ok=True)

    def release(self) -> None:
        """End the ownership of this process."""
        if self._descriptor >= 0:
            self._path(self.token).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _path(self, token: str) -> Path:
        return self._directory / f"{token}.lock"
