"""A connection by TCP: questions one after the other, each answered before the next is read.

Time is bounded three times over: a question must be there within `idle_seconds`, what is sent must
get on at all within `idle_seconds`, and a transfer must end within `transfer_seconds`. Memory is
bounded by the transport's buffer: nothing more is made while it is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import struct
import termios
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.answering import Answering, Bad, Transfer
from countersign.registrar.primary.journal import JournalError
from countersign.registrar.primary.limits import RateLimit, client_of
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.served import NoZoneError
from countersign.registrar.primary.states import States
from countersign.registrar.primary.transferring import Progress, Transfers
from countersign.registry.copy.errors import CopyError

log = structlog.get_logger()

BUFFER = 128 * 1024
"""Octets that wait to be sent before the next message is made."""
READ_BUFFER = 16 * 1024
MAX_QUESTION = 4096
"""Octets."""
_MOST_BAD = 3
"""Bad questions after which a connection is closed."""


class StalledError(Exception):
    """The other side takes nothing any more."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all connections share."""

    office: Office
    answering: Answering
    transfers: Transfers
    states: States
    metrics: PrimaryMetrics
    limit: RateLimit


class Connection:
    """One connection."""

    def __init__(
        self,
        desk: Desk,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        address: str,
        know: Callable[[], None],
    ) -> None:
        """know: called when the other side has proven to have a key."""
        self._desk = desk
        self._reader = reader
        self._writer = writer
        self._address = address
        self._know = know
        self._settings = desk.office.config.primary
        self._bad = 0
        writer.transport.set_write_buffer_limits(high=BUFFER)

    async def serve(self) -> None:
        """Answer until the other side has enough, or we have."""
        with contextlib.suppress(
            TimeoutError, StalledError, OSError, EOFError, asyncio.IncompleteReadError
        ):
            while self._bad < _MOST_BAD:
                message = await self._question()
                if not message:
                    return
                await self._wait_for_turn()
                await self._answer(message)

    async def _question(self) -> bytes:
        """Return the next message; empty: it is too long to be a question."""
        async with asyncio.timeout(self._settings.idle_seconds):
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            if not 0 < size <= MAX_QUESTION:
                return b""
            return await self._reader.readexactly(size)

    async def _wait_for_turn(self) -> None:
        client = client_of(self._address)
        while wait := self._desk.limit.take(client, time.monotonic()):
            await asyncio.sleep(wait)

    async def _answer(self, message: bytes) -> None:
        answer = self._desk.answering.over_tcp(message, self._address)
        if isinstance(answer, Bad):
            self._bad += 1
            if answer.message is None:
                self._bad = _MOST_BAD
            else:
                await self._send(answer.message)
            return
        self._know()
        if isinstance(answer, bytes):
            await self._send(answer)
        else:
            await self._transfer(answer)

    async def _transfer(self, transfer: Transfer) -> None:
        """Send a transfer, or end the connection in the middle of it."""
        progress, octets, began, reason = Progress(), 0, time.monotonic(), ""
        try:
            async with asyncio.timeout(self._settings.transfer_seconds):
                async with aclosing(self._desk.transfers.messages(transfer, progress)) as messages:
                    async for message in messages:
                        await self._send(message)
                        octets += len(message) + 2
                await self._drain(everything=True)
        except TimeoutError:
            reason = f"not ended after {self._settings.transfer_seconds:g} seconds"
        except (StalledError, OSError):
            reason = "the connection broke, or nothing was taken any more"
        except (JournalError, CopyError, NoZoneError) as error:
            reason = str(error) or "there is no zone to send yet"
        self._note(transfer, progress, octets, time.monotonic() - began, reason)
        if reason:
            self._bad = _MOST_BAD
            self._writer.transport.abort()

    def _note(
        self, transfer: Transfer, progress: Progress, octets: int, seconds: float, reason: str
    ) -> None:
        states, now, peer = self._desk.states, self._desk.office.clock(), transfer.peer
        facts = {"secondary": peer.name, "address": self._address, "kind": progress.kind}
        if progress.is_current and not reason:
            self._desk.metrics.transfer(progress.kind, "current", octets)
        elif reason or progress.is_refused:
            reason = reason or "too many transfers at one time"
            outcome = "refused" if progress.is_refused else "aborted"
            self._desk.metrics.transfer(progress.kind, outcome, octets)
            states.failed(peer.id, now, f"transfer: {reason}")
            log.warning("zone not transferred", **facts, octets=octets, reason=reason)
        else:
            self._desk.metrics.transfer(progress.kind, "sent", octets)
            states.sent(peer.id, now, progress.kind, octets, progress.serial)
            log.info(
                "zone transferred",
                **facts,
                serial=progress.serial,
                octets=octets,
                seconds=round(seconds, 3),
            )

    async def _send(self, message: bytes) -> None:
        self._writer.write(len(message).to_bytes(2, "big") + message)
        await self._drain()

    def _waiting(self) -> int:
        """Return how many octets the other side has not taken: the system's share too."""
        descriptor = self._writer.get_extra_info("socket").fileno()
        queued = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0]
        return int(self._writer.transport.get_write_buffer_size() + queued)

    async def _drain(self, *, everything: bool = False) -> None:
        """Wait until there is room for more, or all has gone. Raises :class:`StalledError`."""
        transport = self._writer.transport
        if everything:
            transport.set_write_buffer_limits(high=0)
        try:
            while True:
                waiting = self._waiting()
                try:
                    async with asyncio.timeout(self._settings.idle_seconds):
                        return await self._writer.drain()
                except TimeoutError:
                    if self._waiting() >= waiting:
                        raise StalledError from None
        finally:
            if everything and not transport.is_closing():
                transport.set_write_buffer_limits(high=BUFFER)
