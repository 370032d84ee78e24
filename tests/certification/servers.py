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
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    ".": "250 2.0.0 Ok: queued",
    "RCPT": "550 5.7.1 Relaying denied",
    "": "500 5.5.2 Unknown command",
}


@dataclass
class _Dialogue:
    """What was said before on a connection."""

    has_hello: bool = False
    has_sender: bool = False
    recipients: list[str] = field(default_factory=list)

    def refusal(self, command: str) -> str:
        """The answer to what is out of order; empty if nothing is."""
        verb, _, argument = command.partition(" ")
        if verb == "XVERIFY" and not self.has_hello:
            return "503 5.5.1 EHLO first"
        if verb == "XVERIFY" and not (len(argument) == 128 and argument.isalnum()):
            return "501 5.5.4 No session ID"
        if verb.upper() == "RCPT" and not self.has_sender:
            return "503 5.5.1 MAIL first"
        return ""

    def note(self, command: str, answer: str) -> None:
        verb = command.partition(" ")[0].upper()
        if not answer.startswith("2"):
            return
        self.has_hello |= verb in ("EHLO", "HELO")
        if verb in ("EHLO", "HELO", "RSET", "MAIL"):
            self.has_sender = verb == "MAIL"
            self.recipients = []
        if verb == "RCPT":
            self.recipients.append(command)


@dataclass
class FaultyServer:
    """Answers each command by the longest key that it begins with.

    The answer "." is that to content; if that is empty, the connection is closed.
    """

    clear: Mapping[str, str] = field(default_factory=dict)
    """Answers outside TLS in place of the good ones; empty: none at all."""
    in_tls: Mapping[str, str] = field(default_factory=dict)
    clear_keywords: tuple[str, ...] = ("PIPELINING", "STARTTLS")
    tls_keywords: tuple[str, ...] = ("PIPELINING", "XSESSIONID", "XVERIFY")
    host: str = "mail.local.example"
    greeting: str = "220 mail.local.example ESMTP"
    keeps_input: bool = False
    """The fault of CVE-2011-0411: what came before the handshake is obeyed inside TLS."""
    answers_early: bool = False
    """What came before the handshake is answered in clear."""
    takes_any_order: bool = False
    """Answers questions before EHLO, and recipients before MAIL."""
    never_suspends: bool = False
    """Goes on answering after a wrong session ID."""
    closes_after: int = 10**9
    """Commands on one connection after which it is closed without a word."""
    ends: tuple[bytes, ...] = (b"\r\n.\r\n",)
    """What ends content: others are the fault of SMTP smuggling."""
    seconds_per_octet: float = 0
    """A tarpit gives its answers octet by octet."""
    tls_first: bool = False
    """TLS from the first octet on."""
    tls_version: ssl.TLSVersion | None = None
    """The only version that is spoken."""
    directory: Path = Path()
    address: str = ""
    port: int = 0
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    commands: list[str] = field(default_factory=list)
    suspended: set[tuple[str, str]] = field(default_factory=set)
    content: str = ""
    """Of the last message."""
    messages: list[tuple[list[str], str]] = field(default_factory=list)
    """RCPT commands that were accepted in the transaction, and the content."""

    @asynccontextmanager
    async def running(self, directory: Path, address: str = "") -> AsyncIterator[FaultyServer]:
        self.address = address or fresh_address()
        pair = directory / "pair.pem"
        pair.write_bytes(make_self_signed(self.host))
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
                if self.tls_first:
                    await stream.start_tls(self._tls, server_side=True)
                if self.greeting:
                    await self._say(stream, self.greeting)
                await self._converse(stream)
        finally:
            self.open_now -= 1
            stream.close()

    async def _converse(self, stream: Stream) -> None:
        waiting = b""
        in_tls = self.tls_first
        count = 0
        dialogue = _Dialogue()
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
                    dialogue = _Dialogue()
                    continue
                answer = "" if self.takes_any_order else dialogue.refusal(command)
                answer = answer or self._answer(command, in_tls)
                if in_tls and command.startswith("XVERIFY"):
                    answer = self._suspend(answer, (stream.peer()[0], stream.local()[0]))
                dialogue.note(command, answer)
                if not answer:
                    await asyncio.get_running_loop().create_future()
                await self._say(stream, answer)
                if answer.startswith(("421", "221")):
                    return
                if answer.startswith("354") and command.upper() == "DATA":
                    waiting = await self._content(stream, waiting)
                    self.messages.append((dialogue.recipients, self.content))
                    dialogue.recipients = []
                    if not (answer := self._answer(".", in_tls)):
                        return
                    await self._say(stream, answer)

    async def _say(self, stream: Stream, answer: str) -> None:
        octets = f"{answer}\r\n".encode()
        if not self.seconds_per_octet:
            stream.write(octets)
            return
        for octet in octets:
            # A tarpit is slow by definition.
            await asyncio.sleep(self.seconds_per_octet)
            stream.write(bytes([octet]))

    async def _content(self, stream: Stream, waiting: bytes) -> bytes:
        """Read to the first end of content; return what came behind it."""
        content = b"\r\n" + waiting
        while True:
            found = [(content.find(end), end) for end in self.ends if end in content]
            if found:
                start, end = min(found)
                self.content = content[2:start].decode("utf-8", "replace")
                return content[start + len(end) :]
            if not (data := await stream.read()):
                raise StreamClosedError("no end of content")
            content += data

    async def _upgrade(self, stream: Stream, waiting: bytes) -> bytes:
        stream.write(b"220 2.0.0 Ready to start TLS\r\n")
        if self.answers_early and waiting:
            stream.write(b"250 2.0.0 Ok\r\n")
        try:
            await stream.start_tls(self._tls, server_side=True)
        except OSError as error:
            raise StreamClosedError("no handshake") from error
        return waiting if self.keeps_input else b""

    def _suspend(self, answer: str, asker: tuple[str, str]) -> str:
        """Answer FALSE once to each asker."""
        if not answer.endswith("FALSE") or self.never_suspends:
            return answer
        if asker in self.suspended:
            return "450 4.7.1 Questions are suspended"
        self.suspended.add(asker)
        return answer

    def _answer(self, command: str, in_tls: bool) -> str:
        if command.startswith("EHLO"):
            keywords = self.tls_keywords if in_tls else self.clear_keywords
            changed = (self.in_tls if in_tls else self.clear).get("EHLO")
            if changed is not None:
                return changed
            return "\r\n".join(f"250-{line}" for line in (self.host, *keywords)) + (
                "\r\n250 8BITMIME"
            )
        answers = self._good(in_tls) | dict(self.in_tls if in_tls else self.clear)
        return answers[max((key for key in answers if command.startswith(key)), key=len)]

    def _good(self, in_tls: bool) -> dict[str, str]:
        domain = self.host.partition(".")[2]
        mailboxes = (f"RCPT TO:<{user}@{domain}>" for user in ("postmaster", "abuse"))
        verification = {"XVERIFY": "550 5.7.1 FALSE"} if in_tls else {}
        return GOOD | dict.fromkeys(mailboxes, "250 2.1.5 Ok") | verification
