"""A submission listener in the test's own process: real stores, sockets, TLS, an MTA behind."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from countersign.gateway.config import Config
from countersign.gateway.parts import Parts, open_parts
from countersign.gateway.submission.parts import SubmissionParts
from countersign.gateway.submission.passwords import make_credentials
from countersign.gateway.submission.service import SubmissionService, SubmissionsService
from countersign.protocol.reply import Reply
from countersign.storage.submission.account_rows import Deed, NewUser
from countersign.storage.submission.accounts import Accounts
from countersign.transport.conversation import Conversation, connect
from countersign.transport.tls_listener import TlsListener

HOSTNAME = "mail.alpha.example"
PASSWORD = "correct horse battery staple"
MESSAGE = b"From: alice@alpha.example\r\nSubject: test\r\n\r\nHello.\r\n"


async def add_user(directory: Path, name: str = "alice", **changes: Any) -> None:
    """Add a user to the store in a state directory."""
    accounts = Accounts(directory / "submission")
    user = NewUser(name, credentials=make_credentials(PASSWORD, 4096), **changes)
    await accounts.add([user], Deed("test", time.time()))
    await accounts.aclose()


class Site:
    def __init__(self, directory: Path, mta: str, changes: dict[str, dict[str, Any]]) -> None:
        (directory / "registry.toml").write_text("server = []\n")
        settings: dict[str, Any] = {
            "hostname": HOSTNAME,
            "state_directory": directory / "state",
            "receiving": {"enabled": False},
            "sending": {"enabled": False},
            "submission": {"enabled": True, "backend": {"address": mta}},
            "sign_in": {"mechanisms": ["SCRAM-SHA-256", "PLAIN"]},
            "registry": {"kind": "file", "path": directory / "registry.toml"},
        }
        for section, values in changes.items():
            settings[section] = settings.get(section, {}) | values
        self.config = Config.model_validate(settings)
        self.parts: Parts
        self.port = self.tls_port = 0
        self._server: asyncio.Server
        self._listener: TlsListener

    @property
    def submission(self) -> SubmissionParts:
        assert self.parts.submission is not None
        return self.parts.submission

    async def start(self) -> None:
        await add_user(self.config.state_directory)
        self.parts = open_parts(self.config)
        self.service = SubmissionService(self.parts)
        await self.service.start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.service.protocol, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.tls_service = SubmissionsService(self.parts)
        await self.tls_service.start()
        listening = socket.create_server(("127.0.0.1", 0))
        self.tls_port = int(listening.getsockname()[1])
        self._listener = self.tls_service.listen(listening)

    async def stop(self) -> None:
        self._server.close()
        self._listener.close()
        await self.service.drain(2)
        await self.tls_service.drain(2)
        await self.parts.close()

    async def used(self, user: str = "alice") -> int:
        return await self.submission.tables.used(user, time.time())

    def metric(self, name: str, **labels: str) -> float:
        return self.parts.metrics.registry.get_sample_value(f"countersign_{name}", labels) or 0


@asynccontextmanager
async def submission_site(
    directory: Path, mta: str = "127.0.0.1:1", **changes: dict[str, Any]
) -> AsyncIterator[Site]:
    site = Site(directory, mta, changes)
    await site.start()
    try:
        yield site
    finally:
        await site.stop()


def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """A client that says what it is told to."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation

    async def say(self, line: str) -> Reply:
        dialogue = self.conversation.dialogue
        return await self.conversation.command(dialogue.raw(f"{line}\r\n".encode()))

    async def codes(self, *lines: str) -> list[int]:
        return [(await self.say(line)).code for line in lines]

    async def sign_in(self, user: str = "alice", password: str = PASSWORD) -> Reply:
        return await self.say(f"AUTH PLAIN {plain(user, password)}")

    async def send(self, *recipients: str, content: bytes = MESSAGE, sender: str = "") -> Reply:
        """Send a message; the first refusal, or the reply to its end."""
        lines = [f"MAIL FROM:<{sender or 'alice@alpha.example'}>"]
        lines += [f"RCPT TO:<{recipient}>" for recipient in recipients]
        for line in (*lines, "DATA"):
            answer = await self.say(line)
            if answer.code >= 400:
                await self.say("RSET")
                return answer
        self.conversation.send(content)
        return await self.say(".")


def plain(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


@asynccontextmanager
async def client_of(
    port: int, *, tls: bool = True, user: str | None = "alice", address: str = "127.0.0.1"
) -> AsyncIterator[Client]:
    """A client after EHLO, inside TLS and signed in unless told otherwise."""
    conversation = await connect(address, port, timeout=5, reply_timeout=30)
    try:
        assert (await conversation.greeting()).code == 220
        await conversation.hello("client.example")
        if tls:
            await conversation.start_tls(client_tls(), None)
            await conversation.hello("client.example")
        client = Client(conversation)
        if tls and user:
            assert (await client.sign_in(user)).code == 235
        yield client
    finally:
        conversation.stream.abort()
