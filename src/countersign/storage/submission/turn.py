"""Whose turn it is: of several processes that could do the same work, one does it.

On one host a lock on a file, which the kernel drops with its process; in a farm a key on Valkey
that ends by itself, so that another host goes on after the holder has died.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from countersign.storage.tables import TablesUnavailableError


class Turn(Protocol):
    """Held by one process at a time. Methods may raise ``TablesUnavailableError``."""

    async def take(self, seconds: float) -> bool:
        """Take it, or keep it for so long from now; False: another has it."""

    async def give_back(self) -> None:
        """Let another take it."""

    async def aclose(self) -> None:
        """Give it back and release the store; never raises."""


def open_turn(url: str, directory: Path, name: str) -> Turn:
    """Return a turn: on Valkey by ``url``, or on this host, in ``directory``, if it is empty."""
    if url:
        from countersign.storage.submission.valkey_turn import ValkeyTurn

        return ValkeyTurn(url, name)
    return LocalTurn(directory / f"{name}.lock")


class LocalTurn:
    """A lock on a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    async def take(self, seconds: float) -> bool:
        """Lock the file; the lock lasts as long as the process, whatever ``seconds`` says."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise TablesUnavailableError(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    async def give_back(self) -> None:
        """Unlock the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    async def aclose(self) -> None:
        """Unlock the file."""
        await self.give_back()
