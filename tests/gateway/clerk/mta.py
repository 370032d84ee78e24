"""An MTA that takes letters, and lets a test act at each step of the dialogue."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Awaitable, Callable
from email.message import EmailMessage

from countersign.demo.servers import OrdinaryServer, _OrdinarySession, listen
from countersign.gateway.metrics import Metrics
from countersign.protocol.events import Event
from countersign.protocol.reply import Reply
from countersign.protocol.server import OK
from countersign.transport.session import ServerSession
from countersign.transport.stream import Stream

OnStep = Callable[[str], Awaitable[None]]


class Mta:
    """Listens when started; keeps what it has taken."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint = f"127.0.0.1:{port}"
        self.letters: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.answer: Reply = OK
        self.answers: dict[str, Reply] = {}
        """Answers to letters by a word in them."""
        self.on_step: OnStep | None = None
        self._taken = asyncio.Condition()
        self._service: OrdinaryServer
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._service = _Server(self)
        self._server = await listen(self._service, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._service.drain(0)
            self._server = None

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(30), self._taken:
            await self._taken.wait_for(lambda: len(self.letters) >= count)

    def message_ids(self) -> list[str]:
        return [str(letter["Message-ID"]) for letter in self.letters]

    async def deliver(self, sender: str, recipients: list[str], content: bytes) -> Reply:
        for word, answer in self.answers.items():
            if word.encode() in content:
                return answer
        if self.answer.is_positive:
            assert sender == "<>"
            parsed = email.message_from_bytes(content, policy=email.policy.SMTP)
            assert isinstance(parsed, EmailMessage)
            async with self._taken:
                self.letters.append(parsed)
                self.recipients += recipients
                self._taken.notify_all()
        return self.answer


class _Server(OrdinaryServer):
    def __init__(self, mta: Mta) -> None:
        super().__init__("mta.example", Metrics(), mta.deliver)
        self.mta = mta

    def make_session(self, stream: Stream) -> ServerSession:
        return _Session(self, stream)


class _Session(_OrdinarySession):
    def __init__(self, server: _Server, stream: Stream) -> None:
        super().__init__(server, stream)
        self._mta = server.mta

    async def handle(self, event: Event) -> None:
        if self._mta.on_step is not None:
            await self._mta.on_step(type(event).__name__)
        await super().handle(event)
