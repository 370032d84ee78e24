"""Ordinary mail servers of the demo: they know nothing of the registry, or abuse it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from countersign.demo.world import LMTP_PORT, LOCAL_CLIENT, SMTP_PORT, Host
from countersign.gateway.metrics import Metrics
from countersign.protocol.events import (
    Content,
    DataCommand,
    EndOfContent,
    Event,
    Hello,
    MailFrom,
    RcptTo,
    SessionIdOffered,
)
from countersign.protocol.reply import Reply, reply
from countersign.protocol.server import OK
from countersign.protocol.server_settings import ServerSettings
from countersign.transport.conversation import ConversationError, connect
from countersign.transport.session import ListeningService, ServerSession
from countersign.transport.stream import Stream

GO_ON = reply(354, "", "End data with <CR><LF>.<CR><LF>")
_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8"})

Deliver = Callable[[str, list[str], bytes], Awaitable[Reply]]
"""Called with the raw reverse-path, the raw forward-paths and the content."""
OnSessionId = Callable[[str, str], Awaitable[None]]
"""Called with the client's EHLO name and the ID it gave."""


class OrdinaryServer(ListeningService):
    """A mail server that takes any mail, and hands each message to a function."""

    name = "demo"

    def __init__(
        self,
        hostname: str,
        metrics: Metrics,
        deliver: Deliver,
        *,
        tls: ssl.SSLContext | None = None,
        on_session_id: OnSessionId | None = None,
    ) -> None:
        """``on_session_id``: the server offers XSESSIONID and betrays what it is told."""
        super().__init__(metrics, max_connections=100)
        self.hostname = hostname
        self.deliver = deliver
        self.tls = tls
        self.on_session_id = on_session_id

    def make_session(self, stream: Stream) -> ServerSession:
        """Return the session of a new connection."""
        return _OrdinarySession(self, stream)


class _OrdinarySession(ServerSession):
    def __init__(self, server: OrdinaryServer, stream: Stream) -> None:
        settings = ServerSettings(
            start_tls=server.tls is not None, verification=server.on_session_id is not None
        )
        super().__init__(stream, settings, server_tls=server.tls, command_timeout=60)
        self._server = server
        self._sender = ""
        self._recipients: list[str] = []
        self._content = bytearray()

    async def greet(self) -> None:
        self.dialogue.greet(reply(220, "", f"{self._server.hostname} ESMTP"))

    async def handle(self, event: Event) -> None:
        match event:
            case Hello():
                self._on_hello()
            case SessionIdOffered(session_id):
                await self._on_session_id(session_id)
            case MailFrom(envelope):
                self._sender, self._recipients = envelope.raw_path, []
                self.dialogue.respond(OK)
            case RcptTo(envelope):
                self._recipients.append(envelope.raw_path)
                self.dialogue.respond(OK)
            case DataCommand():
                self._content.clear()
                self.dialogue.respond(GO_ON)
            case Content(data):
                self._content += data
            case EndOfContent():
                answer = await self._server.deliver(
                    self._sender, self._recipients, bytes(self._content)
                )
                self.dialogue.respond_to_content([answer])
            case _:
                self.dialogue.respond(OK)

    def _on_hello(self) -> None:
        lines = [self._server.hostname, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"]
        if self._server.tls is not None and not self.dialogue.in_tls:
            lines.append("STARTTLS")
        if self._server.on_session_id is not None and self.dialogue.in_tls:
            lines.append("XSESSIONID")
        self.dialogue.respond_to_hello(Reply(250, tuple(lines)), parameters=_PARAMETERS)

    async def _on_session_id(self, session_id: str) -> None:
        if self._server.on_session_id is not None and self.dialogue.hello is not None:
            await self._server.on_session_id(self.dialogue.hello.name, session_id)
        self.dialogue.respond(reply(250, "2.7.0", "Thank you"))


async def hand_over(
    address: str,
    port: int,
    sender: str,
    recipients: list[str],
    content: bytes,
    *,
    lmtp: bool = True,
    local_address: str | None = None,
) -> list[Reply]:
    """Hand a message to a gateway, as an MTA does; a reply per recipient.

    ``sender`` and ``recipients`` with brackets. Raises :class:`ConversationError`.
    """
    conversation = await connect(
        address, port, timeout=10, reply_timeout=120, lmtp=lmtp, local_address=local_address
    )
    try:
        await conversation.greeting()
        await conversation.hello("mta.localhost")
        dialogue = conversation.dialogue
        answer = await conversation.command(dialogue.mail(sender))
        if not answer.is_positive:
            return [answer] * len(recipients)
        at_rcpt = [await conversation.command(dialogue.rcpt(path)) for path in recipients]
        if not any(answer.is_positive for answer in at_rcpt):
            return at_rcpt
        answer = await conversation.command(dialogue.data())
        if not answer.is_intermediate:
            return [answer] * len(recipients)
        await conversation.send_content(content)
        conversation.send(dialogue.end_of_content())
        if not lmtp:
            answer = await conversation.reply()
            return [answer if one.is_positive else one for one in at_rcpt]
        return [await conversation.reply() if answer.is_positive else answer for answer in at_rcpt]
    finally:
        await conversation.finish()


def behind_gateway(host: Host) -> Deliver:
    """Return what an MTA behind a gateway does with mail: its own in, all other mail out."""

    async def deliver(sender: str, recipients: list[str], content: bytes) -> Reply:
        own = [path for path in recipients if path.endswith(f"@{host.domain}>")]
        others = [path for path in recipients if path not in own]
        replies: list[Reply] = []
        try:
            if own:
                replies += await hand_over(
                    host.address,
                    SMTP_PORT,
                    sender,
                    own,
                    content,
                    lmtp=False,
                    local_address=LOCAL_CLIENT,
                )
            if others:
                replies += await hand_over(host.address, LMTP_PORT, sender, others, content)
        except ConversationError as error:
            return reply(451, "4.4.1", str(error))
        refused = [answer for answer in replies if not answer.is_positive]
        return refused[0] if refused else replies[0]

    return deliver


async def listen(service: ListeningService, address: str, port: int) -> asyncio.Server:
    """Start a service on an address. Raises :class:`OSError`."""
    await service.start()
    loop = asyncio.get_running_loop()
    return await loop.create_server(service.protocol, address, port)
