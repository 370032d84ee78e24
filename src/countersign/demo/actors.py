"""Those who come without being registered, or with somebody else's name."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from countersign.demo.world import SMTP_PORT
from countersign.protocol.client import Sent
from countersign.transport.conversation import Conversation, connect


@dataclass(frozen=True, slots=True)
class Attempt:
    """How far somebody came."""

    stage: str
    answer: str
    received: int = 0


class Actor:
    """A client with an address of its own choice."""

    def __init__(self, target: str, *, source: str | None = None) -> None:
        self._target = target
        self._source = source
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    async def send_mail(self, hello: str, recipient: str) -> Attempt:
        """Try to send mail as any server does."""
        async with self._inside_tls(hello) as conversation:
            dialogue = conversation.dialogue
            answer = await conversation.command(dialogue.mail("<somebody@somewhere.example>"))
            if not answer.is_positive:
                return Attempt(Sent.MAIL, str(answer))
            answer = await conversation.command(dialogue.rcpt(f"<{recipient}>"))
            if not answer.is_positive:
                return Attempt(Sent.RCPT, str(answer))
            answer = await conversation.command(dialogue.data())
            return Attempt(Sent.DATA, str(answer))

    async def claim(self, hello: str, session_id: str) -> Attempt:
        """Claim to be a host, with a session ID."""
        async with self._inside_tls(hello) as conversation:
            answer = await conversation.command(conversation.dialogue.session_id(session_id))
            return Attempt(Sent.SESSION_ID, str(answer))

    async def ask(self, session_id: str) -> Attempt:
        """Ask a claimed host about a session ID."""
        async with self._inside_tls("guesser.example") as conversation:
            answer = await conversation.command(conversation.dialogue.question(session_id))
            return Attempt(Sent.QUESTION, str(answer))

    async def inject_by_bare_lf(self) -> Attempt:
        """Write a command whose lines end in bare LF, with another command behind it."""
        conversation = await self._connect()
        try:
            await conversation.greeting()
            conversation.dialogue.hello("smuggler.example")
            conversation.send(b"EHLO smuggler.example\nMAIL FROM:<>\r\n")
            return Attempt("command", str(await conversation.reply()))
        finally:
            conversation.stream.abort()

    async def _connect(self) -> Conversation:
        return await connect(
            self._target, SMTP_PORT, local_address=self._source, timeout=10, reply_timeout=60
        )

    @asynccontextmanager
    async def _inside_tls(self, hello: str) -> AsyncIterator[Conversation]:
        conversation = await self._connect()
        try:
            await conversation.greeting()
            await conversation.hello(hello)
            await conversation.start_tls(self._tls, None)
            await conversation.hello(hello)
            yield conversation
        finally:
            conversation.stream.close()
