"""Runs of single tests of the battery, and servers with faults of a rarer kind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countersign.certification.catalogue import all_tests
from countersign.certification.outcome import BatteryResult, TestOutcome
from countersign.demo.dns_server import DnsServer
from countersign.transport.stream import Stream
from tests.certification.running import HOST, battery_for, run_from
from tests.certification.servers import FaultyServer

MARK = "a" * 16


def without_all_but(*names: str) -> tuple[str, ...]:
    """The value of `battery.without` that leaves some tests only."""
    return tuple(test.name for test in all_tests() if test.name not in names)


async def run_only(
    dns: DnsServer,
    address: str,
    port: int,
    *names: str,
    assigned: dict[str, Any] | None = None,
    **changes: Any,
) -> BatteryResult:
    """Make some tests only; ``changes`` are of the battery."""
    dns.set(HOST, "A", address)
    battery = battery_for(port, without=without_all_but(*names), **changes)
    return await run_from(dns, battery, **({"mark": MARK} | (assigned or {})))


async def outcome_of(
    server: FaultyServer,
    name: str,
    dns: DnsServer,
    directory: Path,
    *,
    assigned: dict[str, Any] | None = None,
    **changes: Any,
) -> TestOutcome:
    """What one test finds out of a server."""
    async with server.running(directory):
        result = await run_only(
            dns, server.address, server.port, name, assigned=assigned, **changes
        )
    [found] = [one for one in result.outcomes if one.name == name]
    return found


@dataclass
class Abrupt(FaultyServer):
    """Reads content to its true end, answers once, and closes."""

    async def _content(self, stream: Stream, waiting: bytes) -> bytes:
        await super()._content(stream, waiting)
        await self._say(stream, self._answer(".", in_tls=True))
        stream.close()
        # What closes does not go on.
        await asyncio.Event().wait()
        return b""


@dataclass
class Synchronised(FaultyServer):
    """Ends messages at LF.CRLF, and leaves where commands come before their time."""

    ends: tuple[bytes, ...] = (b"\n.\r\n",)

    async def _content(self, stream: Stream, waiting: bytes) -> bytes:
        rest = await super()._content(stream, waiting)
        if not rest:
            return rest
        await self._say(stream, "250 2.0.0 Ok: queued")
        for answer in ("250 2.1.0 Ok", "550 5.7.1 Relaying denied", "554 5.5.0 Out of step"):
            await self._say(stream, answer)
        stream.close()
        await asyncio.Event().wait()
        return b""


@dataclass
class Careless(FaultyServer):
    """Takes STARTTLS with an argument."""

    def _answer(self, command: str, in_tls: bool) -> str:
        if command.startswith("STARTTLS ") and not in_tls:
            return "220 2.0.0 Go ahead"
        return super()._answer(command, in_tls)


@dataclass
class Chunking(FaultyServer):
    """Takes messages by BDAT."""

    tls_keywords: tuple[str, ...] = ("CHUNKING",)
    reads_lines: bool = False
    """Takes the content of a chunk for commands."""
    chunks: list[bytes] = field(default_factory=list)

    async def _converse(self, stream: Stream) -> None:
        reading: Any = stream if self.reads_lines else _WithoutChunks(stream, self.chunks)
        await super()._converse(reading)

    def _answer(self, command: str, in_tls: bool) -> str:
        is_chunk = command.startswith("BDAT ")
        return "250 2.0.0 Ok: queued" if is_chunk else super()._answer(command, in_tls)


class _WithoutChunks:
    """A stream from which chunks are taken out as they come."""

    def __init__(self, stream: Stream, chunks: list[bytes]) -> None:
        self._stream = stream
        self._chunks = chunks
        self._left = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self) -> bytes:
        commands = b""
        while not commands and (data := await self._stream.read()):
            while data:
                if self._left:
                    chunk, data = data[: self._left], data[self._left :]
                    self._left -= len(chunk)
                    self._chunks[-1] += chunk
                    continue
                line, end, data = data.partition(b"\r\n")
                commands += line + end
                if line.startswith(b"BDAT "):
                    self._left = int(line.split()[1])
                    self._chunks.append(b"")
        return commands
