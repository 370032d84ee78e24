"""A mail server that takes messages, and one visit of it, without the rest of the battery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countersign.certification.assignment import Assignment
from countersign.certification.forms import Names
from countersign.certification.outcome import TestOutcome
from countersign.certification.session import Caller
from countersign.certification.settings import Standing
from countersign.certification.sheet import Sheet
from countersign.certification.standpoint import Standpoint
from countersign.certification.transcript import Transcript
from countersign.certification.visit import Visit
from countersign.transport.stream import Stream
from tests.certification.running import HOST, LOOPBACK, battery_for
from tests.certification.servers import FaultyServer

MARK = "abcdefghijklmnop"
ALL = {"RCPT": "250 2.1.5 Ok", "rcpt": "250 2.1.5 Ok"}
"""Answers of a server that takes any recipient."""


@dataclass
class TakingServer(FaultyServer):
    """Takes messages after DATA; the answer to a message is that of the key ".\"."""

    tls_first: bool = False
    messages: list[tuple[list[str], str]] = field(default_factory=list)
    """RCPT commands that were accepted in the transaction, and the content."""

    async def _converse(self, stream: Stream) -> None:
        in_tls, waiting, count = self.tls_first, b"", 0
        recipients: list[str] = []
        while data := await stream.read():
            waiting += data
            while b"\r\n" in waiting:
                line, waiting = waiting.split(b"\r\n", 1)
                command = line.decode("utf-8", "replace")
                self.commands.append(command)
                count += 1
                if count > self.closes_after:
                    return
                if command == "STARTTLS" and not in_tls:
                    waiting = await self._upgrade(stream, waiting)
                    in_tls = True
                    continue
                answer = self._answer(command, in_tls)
                if command.upper().startswith("RCPT") and answer.startswith("250"):
                    recipients.append(command)
                elif command.startswith(("MAIL", "RSET", "EHLO")):
                    recipients = []
                if not answer:
                    await asyncio.get_running_loop().create_future()
                stream.write(f"{answer}\r\n".encode())
                if answer.startswith(("421", "221")):
                    return
                if answer.startswith("354"):
                    content, waiting = await self._content(stream, waiting)
                    self.messages.append((recipients, content))
                    recipients = []
                    if not (answer := self._answer(".", in_tls)):
                        return
                    stream.write(f"{answer}\r\n".encode())

    async def _content(self, stream: Stream, waiting: bytes) -> tuple[str, bytes]:
        while b"\r\n.\r\n" not in waiting and (data := await stream.read()):
            waiting += data
        content, _, rest = waiting.partition(b"\r\n.\r\n")
        return content.decode(), rest

    async def _serve(self, stream: Stream) -> None:
        if self.tls_first:
            try:
                await stream.start_tls(self._tls, server_side=True)
            except OSError:
                return
        await super()._serve(stream)


def taking(clear: Mapping[str, str] = {}, **changes: Any) -> TakingServer:
    """Return a server that takes any message for recipients that it accepts."""
    answers = {"DATA": "354 Go on", ".": "250 2.0.0 Queued", "AUTH": "535 5.7.8 No"} | dict(clear)
    return TakingServer(answers, answers, **changes)


@asynccontextmanager
async def another_port(server: FaultyServer, address: str, directory: Path) -> AsyncIterator[int]:
    """Let a server be reached at an address of another one; gives the port."""
    directory.mkdir()
    async with server.running(directory):
        loop = asyncio.get_running_loop()
        second = await loop.create_server(lambda: Stream(server._connected), address, 0)
        try:
            yield second.sockets[0].getsockname()[1]
        finally:
            second.close()


def visit_of(
    address: str,
    port: int,
    *,
    mark: str = MARK,
    mail_domain: str = "local.example",
    traps: tuple[str, ...] = (),
    **changes: Any,
) -> Visit:
    """Return the visit of a server, of which a part of the battery is to be made."""
    battery = battery_for(port, **changes)
    assignment = Assignment(host=HOST, mark=mark, traps=traps, battery=battery)
    standpoint = Standpoint(Standing(networks=LOOPBACK))
    transcript = Transcript(asyncio.get_running_loop().time)
    caller = Caller(address, HOST, battery, transcript, standpoint)
    sheet = Sheet(address, transcript, None, battery.without)
    names = Names(HOST, address, battery.foreign_domain, mail_domain)
    visit = Visit(assignment, names, caller, sheet, standpoint.resolver)
    visit.has_tls = True
    return visit


def by_name(visit: Visit) -> dict[str, TestOutcome]:
    """Return the outcomes of a visit; none comes twice."""
    outcomes = {outcome.name: outcome for outcome in visit.sheet.outcomes}
    assert len(outcomes) == len(visit.sheet.outcomes)
    return outcomes
