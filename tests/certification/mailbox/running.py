"""A test mailbox in the test's own event loop, and what keeps its messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from countersign.certification.mailbox import (
    Limits,
    MailboxUnavailableError,
    Message,
    TestMailbox,
    server_context,
)
from countersign.certification.test_address import Kind, TestAddress
from countersign.transport.conversation import Conversation, connect
from tests.gateway.world import client_tls

DOMAIN = "tests.registrar.example"
HOST = "mx.registrar.example"
MARK = "abcdefghijklmnop"
NUMBER = "qrstuvwxyz234567"


def address(kind: str = "r", number: str = NUMBER, mark: str = MARK) -> str:
    return f"{kind}-{mark}-{number}@{DOMAIN}"


class Store:
    """Keeps messages; can be away."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.is_away = False
        self.came = asyncio.Event()

    async def deliver(self, message: Message) -> None:
        if self.is_away:
            raise MailboxUnavailableError("away")
        self.messages.append(message)
        self.came.set()

    async def knows(self, mark: str, kind: Kind) -> bool:
        if self.is_away:
            raise MailboxUnavailableError("away")
        return mark == MARK and kind is not Kind.SENDING

    @property
    def addresses(self) -> list[TestAddress]:
        return [address for message in self.messages for address in message.addresses]


@contextlib.asynccontextmanager
async def mailbox_for(
    store: Store, *, tls: bool = True, listen: str = "127.0.0.1:0", **settings: Any
) -> AsyncIterator[TestMailbox]:
    context = server_context(HOST) if tls else None
    limits = Limits(**({"stop_seconds": 0.5} | settings.pop("limits", {})))
    async with TestMailbox(
        [listen], DOMAIN, HOST, store.deliver, store.knows, tls=context, limits=limits, **settings
    ) as mailbox:
        yield mailbox


def port_of(mailbox: TestMailbox) -> int:
    return int(mailbox.addresses[0].rpartition(":")[2])


@contextlib.asynccontextmanager
async def client_of(
    mailbox: TestMailbox, *, hello: str = "relay.example", tls: bool = False, source: str = ""
) -> AsyncIterator[Conversation]:
    """A client after EHLO."""
    conversation = await connect(
        "127.0.0.1",
        port_of(mailbox),
        local_address=source or None,
        timeout=5,
        reply_timeout=20,
    )
    try:
        assert (await conversation.greeting()).code == 220
        await conversation.hello(hello)
        if tls:
            await conversation.start_tls(client_tls(), None)
            await conversation.hello(hello)
        yield conversation
    finally:
        conversation.stream.abort()


async def rcpt(conversation: Conversation, path: str) -> int:
    return (await conversation.command(conversation.dialogue.rcpt(f"<{path}>"))).code


async def send(conversation: Conversation, *recipients: str, content: bytes = b"x\r\n") -> int:
    """Send a message; return the code of its acknowledgement, or of the first refusal."""
    dialogue = conversation.dialogue
    answer = await conversation.command(dialogue.mail("<>"))
    for recipient in recipients:
        if answer.is_positive:
            answer = await conversation.command(dialogue.rcpt(f"<{recipient}>"))
    if answer.is_positive:
        answer = await conversation.command(dialogue.data())
    if not answer.is_intermediate:
        return answer.code
    await conversation.send_content(content)
    conversation.send(dialogue.end_of_content())
    return (await conversation.reply()).code
