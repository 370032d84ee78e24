"""A message on its way out, and what becomes of each recipient."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from countersign.protocol.command import Envelope
from countersign.protocol.reply import Reply

IN_MEMORY = 1024 * 1024
"""Octets that a message may have before it goes to a temporary file."""
_PIECE = 64 * 1024


@dataclass(slots=True)
class Message:
    """An envelope and its content. The MTA still holds it: nothing is lost with us."""

    sender: Envelope
    spool_directory: Path
    recipients: list[Envelope] = field(default_factory=list)
    has_eight_bit: bool = False
    size: int = 0
    _file: IO[bytes] | None = None

    def open(self) -> None:
        """Make room for the content."""
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by close()
            IN_MEMORY, dir=str(self.spool_directory)
        )

    def write(self, data: bytes) -> None:
        """Add content. Raises :class:`OSError`."""
        if self._file is None:
            raise ValueError("the message is not open")
        self._file.write(data)
        self.size += len(data)
        self.has_eight_bit = self.has_eight_bit or not data.isascii()

    def close(self) -> None:
        """Forget the content."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def pieces(self) -> Iterator[bytes]:
        """Yield the content; several readers may do so at one time."""
        position = 0
        while self._file is not None:
            self._file.seek(position)
            piece = self._file.read(_PIECE)
            if not piece:
                return
            position += len(piece)
            yield piece


@dataclass(slots=True)
class Batch:
    """The recipients of one message in one domain, by their place in the message."""

    domain: str
    recipients: dict[int, Envelope] = field(default_factory=dict)


Statuses = dict[int, Reply]
"""A reply for each recipient, by its place in the message."""
