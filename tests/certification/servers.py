"""A mail server with faults to order: real sockets, real TLS, a true dialogue but for those."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from countersign.transport.certificate import make_self_signed
from countersign.transport.stream import Stream, StreamClosedError
from tests.gateway.world import fresh_address

GOOD: dict[str, str] = {
    "NOOP": "250 2.0.0 Ok",
    "RSET": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "550 5.7.1 Relaying denied",
    "RCPT TO:<postmaster@local.example>": "250 2.1.5 Ok",
    "RCPT TO:<abuse@local.example>": "250 2.1.5 Ok",
    "": "500 5.5.2 Unknown command",
}
GOOD_IN_TLS = GOOD | {"XVERIFY": "550 5.7.1 FALSE"}


@dataclass
class FaultyServer:
    """Answers each command by the longest key that it begins with."""

    clear: Mapping[str, str] = field(default_factory=dict)
    """Answers outside TLS in place of the good ones; empty: none at all."""
    in_tls: Mapping[str, str] = field(default_factory=dict)
    clear_keywords: tuple[str, ...] = ("PIPELINING", "STARTTLS")
    tls_keywords: tuple[str, ...] = ("PIPELINING", "XSESSIONID", "XVERIFY")
    greeting: str = "220 mail.local.example ESMTP"
    keeps_input: bool = False
    """The fault of CVE-2011-0411: what came before the handshake is obeyed inside TLS."""
    answers_early: bool = False
    """What came before the handshake is answered in clear."""
    closes_after: int = 10**9
    """Commands on one connection after which it is closed without a word."""
    tls_version: ssl.TLSVersion | None = None
    """The only version that is spoken."""
    directory: Path = Path()
    address: str = ""
    port: int = 0
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    commands: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def running(self, directory: Path) -> AsyncIterator[FaultyServer]:
        self.address = fresh_address()
        pair = directory / "pair.pem"
        pair.write_bytes(make_self_signed("mail.local.example"))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pair)
        if self.tls_version is not None:
            self._tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            self._tls.maximum_version = self.tls_version
            self._tls.set_ciphers("DEFAULT:@SECLEVEL=0")
        self._tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Stream(self._connected), self.address, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, stream: Stream) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, stream: Stream) -> None:
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            with contextlib.suppress(OSError):
                if self.greeting:
                    stream.write(f"{self.greeting}\r\n".encode())
                await self._converse(stream)
        finally:
            self.open_now -= 1
            stream.close()

    async def _converse(self, stream: Stream) -> None:
        waiting = b""
        in_tls = False
        count = 0
        while data := await stream.read():
            waiting += data
            while b"\r\n" in waiting:
                line, waiting = waiting.split(b"\r\n", 1)
                command = line.decode("utf-8", "replace")
                self.commands.append(command)
                count += 1
                if count > self.closes_after:
                    return
                if command == "STARTTLS" and not in_tls and "STARTTLS" not in self.clear:
                    waiting = await self._upgrade(stream, waiting)
                    in_tls = True
                    continue
                answer = self._answer(command, in_tls)
                if not answer:
                    await asyncio.get_running_loop().create_future()
                stream.write(f"{answer}\r\n".encode())
                if answer.startswith(("421", "221")):
                    return

    async def _upgrade(self, stream: Stream, waiting: bytes) -> bytes:
        stream.write(b"220 2.0.0 Ready to start TLS\r\n")
        if self.answers_early and waiting:
            stream.write(b"250 2.0.0 Ok\r\n")
        try:
            await stream.start_tls(self._tls, server_side=True)
        except OSError as error:
            raise StreamClosedError("no handshake") from error
        return waiting if self.keeps_input else b""

    def _answer(self, command: str, in_tls: bool) -> str:
        if command.startswith("EHLO"):
            keywords = self.tls_keywords if in_tls else self.clear_keywords
            changed = (self.in_tls if in_tls else self.clear).get("EHLO")
            if changed is not None:
                return changed
            return "\r\n".join(f"250-{line}" for line in ("mail.local.example", *keywords)) + (
                "\r\n250 8BITMIME"
            )
        answers = GOOD_IN_TLS | dict(self.in_tls) if in_tls else GOOD | dict(self.clear)
        return answers[max((key for key in answers if command.startswith(key)), key=len)]
