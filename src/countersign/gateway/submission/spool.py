"""Where the body of a submitted message waits until it is whole: memory first, then a file.

The file has no name in its directory, so that nothing is left of it when the process ends,
however that comes.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import structlog

log = structlog.get_logger()

IN_MEMORY = 256 * 1024
"""Octets of one body that stay in memory."""
MEMORY = 64 * 1024 * 1024
"""Octets that a worker's messages may have in memory; other bodies go to files at once."""
_PIECE = 64 * 1024


class SpoolFullError(Exception):
    """There is no room for the message now: 452."""


class SpoolRoom:
    """What all spools of a worker share: the directory, and two bounds."""

    def __init__(self, directory: Path, *, disk: int, memory: int = MEMORY) -> None:
        """``disk`` and ``memory``: octets for all spools together."""
        self._directory = directory
        self._disk = disk
        self._memory = memory
        self.on_disk = 0
        self.in_memory = 0

    def open(self) -> Spool:
        """Return a spool, empty."""
        return Spool(self)

    def take_memory(self, octets: int) -> bool:
        """Take memory if there is enough left."""
        if self.in_memory + octets > self._memory:
            return False
        self.in_memory += octets
        return True

    def take_disk(self, octets: int) -> None:
        """Take room on the disk. Raises :class:`SpoolFullError`."""
        if self.on_disk + octets > self._disk:
            log.warning("spool is full", octets=self.on_disk)
            raise SpoolFullError
        self.on_disk += octets

    def open_file(self) -> IO[bytes]:
        """Open a file without a name. Raises :class:`OSError`."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._directory)


class Spool:
    """The octets of one body: written, then read, then closed."""

    def __init__(self, room: SpoolRoom) -> None:
        self.size = 0
        self._room = room
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self._kept = 0
        self._is_closed = False

    def keep(self, octets: int) -> None:
        """Take room for what is in memory beside the body. Raises :class:`SpoolFullError`."""
        if not self._room.take_memory(octets):
            log.warning("memory for messages is short", octets=self._room.in_memory)
            raise SpoolFullError
        self._kept += octets

    async def write(self, octets: bytes) -> None:
        """Add octets. Raises :class:`SpoolFullError`, also for a disk that is full or broken."""
        if self._file is None and self._fits_memory(len(octets)):
            self._held += octets
            self.size += len(octets)
            return
        try:
            file = self._file or self._move_to_file()
            self._room.take_disk(len(octets))
            self.size += len(octets)
            # A disk may make us wait: the other clients are not to.
            await asyncio.to_thread(file.write, octets)
        except OSError as error:
            log.error("spool not writable", reason=error.strerror)
            raise SpoolFullError from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """Return what was written, from the start. Raises :class:`OSError`."""
        file = self._file
        if file is None:
            held = bytes(self._held)
            for start in range(0, len(held), _PIECE):
                yield held[start : start + _PIECE]
            return
        await asyncio.to_thread(file.seek, 0)
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece

    def close(self) -> None:
        """Forget everything, and give the room back."""
        if self._is_closed:
            return
        self._is_closed = True
        self._room.in_memory -= self._kept
        if self._file is None:
            self._room.in_memory -= self.size
        else:
            self._room.on_disk -= self.size
            self._file.close()
        self._held.clear()

    def _fits_memory(self, octets: int) -> bool:
        return self.size + octets <= IN_MEMORY and self._room.take_memory(octets)

    def _move_to_file(self) -> IO[bytes]:
        file = self._room.open_file()
        try:
            self._room.take_disk(self.size)
        except SpoolFullError:
            file.close()
            raise
        self._room.in_memory -= self.size
        self._file = file
        file.write(self._held)
        self._held.clear()
        return file
