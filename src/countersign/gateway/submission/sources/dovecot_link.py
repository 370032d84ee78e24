"""One connection to Dovecot's authentication server, shared by all exchanges of a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import structlog

from countersign.gateway.submission.sources.interface import SourceUnavailableError
from countersign.protocol.dovecot_auth import (
    AuthClient,
    Continued,
    DovecotProtocolError,
    Event,
    Failed,
    Passed,
    Ready,
)

log = structlog.get_logger()

Answer = Continued | Passed | Failed
_PIECE = 65536
"""Octets read at once."""


class DovecotLink:
    """Open until the server, a broken line, or :meth:`close` ends it."""

    def __init__(self, timeout: float) -> None:
        """timeout: seconds to wait for an answer."""
        self._timeout = timeout
        self._core = AuthClient(os.getpid())
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self.mechanisms: tuple[str, ...] = ()
        self.is_open = False

    async def open(self, path: Path) -> None:
        """Connect and hear what the server offers. Raises :class:`SourceUnavailableError`."""
        try:
            async with asyncio.timeout(self._timeout):
                reader, self._writer = await asyncio.open_unix_connection(str(path))
                self.is_open = True
                self._reading = asyncio.create_task(self._read(reader))
                self._writer.write(self._core.hello())
                self.mechanisms = (await self._ready).mechanisms
        except (OSError, TimeoutError) as error:
            self.close()
            raise SourceUnavailableError(f"Dovecot at {path}: {_words(error)}") from error
        except SourceUnavailableError:
            self.close()
            raise

    async def begin(
        self, mechanism: str, client_address: str, response: bytes | None
    ) -> tuple[int, Answer]:
        """Begin an exchange; return its id and the first answer."""
        try:
            number, line = self._core.begin(mechanism, client_address, response)
        except ValueError as error:
            raise SourceUnavailableError(f"Dovecot: {error}") from error
        return number, await self._ask(number, line)

    async def go_on(self, number: int, response: bytes) -> Answer:
        """Go on with an exchange; return the next answer."""
        return await self._ask(number, self._core.go_on(number, response))

    def cancel(self, number: int) -> None:
        """End an exchange that nobody waits for."""
        self._answers.pop(number, None)
        if self.is_open and self._writer is not None:
            self._writer.write(self._core.cancel(number))

    def close(self) -> None:
        """Close the connection; who waits for an answer is told that there is none."""
        # An end of our own making is no news.
        self.is_open = False
        self._end("the connection was closed")
        if self._reading is not None:
            self._reading.cancel()

    async def _ask(self, number: int, line: bytes) -> Answer:
        if not self.is_open or self._writer is None:
            raise SourceUnavailableError("Dovecot: the connection has ended")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._writer.write(line)
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            raise SourceUnavailableError("Dovecot: no answer in time") from None
        finally:
            if not answer.done() or answer.cancelled():
                self.cancel(number)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        reason = "the connection has ended"
        try:
            while octets := await reader.read(_PIECE):
                for event in self._core.feed(octets):
                    self._take(event)
        except (OSError, DovecotProtocolError) as error:
            reason = _words(error)
        self._end(reason)

    def _take(self, event: Event) -> None:
        if isinstance(event, Ready):
            if not self._ready.done():
                self._ready.set_result(event)
            return
        answer = self._answers.pop(event.id, None)
        if answer is not None and not answer.done():
            answer.set_result(event)

    def _end(self, reason: str) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._writer.close()
        if self.is_open:
            log.info("connection to Dovecot ended", reason=reason)
        self.is_open = False
        answers, self._answers = self._answers, {}
        waiting: list[asyncio.Future[Any]] = [self._ready, *answers.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(SourceUnavailableError(f"Dovecot: {reason}"))
                # Nobody may be left to hear of it.
                future.exception()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
