"""The LMTP listener that the MTA hands outgoing mail to (RFC 2033)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import structlog

from countersign.gateway.sending.message import Message
from countersign.protocol.command import Envelope
from countersign.protocol.data import ContentFault
from countersign.protocol.events import (
    Content,
    DataCommand,
    EndOfContent,
    Event,
    Hello,
    MailFrom,
    RcptTo,
    Reset,
)
from countersign.protocol.reply import Reply, reply
from countersign.protocol.server import OK
from countersign.rules.network import in_networks
from countersign.transport.session import ServerSession
from countersign.transport.stream import Stream

if TYPE_CHECKING:
    from countersign.gateway.sending.service import SendingService

log = structlog.get_logger()

NOT_YOURS = reply(554, "5.7.1", "Only the MTAs of sending.clients may hand mail over here")
NO_DOMAIN = reply(553, "5.1.3", "A recipient elsewhere needs a domain")
NO_SPACE = reply(452, "4.3.1", "The message could not be spooled, try later")
_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "NOTIFY", "ORCPT"})


class SendingSession(ServerSession):
    """A connection from the MTA."""

    def __init__(self, service: SendingService, stream: Stream) -> None:
        super().__init__(stream, service.server_settings, server_tls=None, command_timeout=300)
        self._service = service
        self._message: Message | None = None
        self._failed = False

    async def greet(self) -> None:
        """Greet the MTA; refuse anybody else."""
        settings = self._service.parts.config.sending
        networks = [ip_network(network) for network in settings.clients]
        if self.client_address and not in_networks(self.client_address, networks):
            self._service.metrics.refusal("not-our-mta")
            self.dialogue.greet(NOT_YOURS)
            return
        self.dialogue.greet(reply(220, "", f"{self._hostname} LMTP Countersign"))

    async def handle(self, event: Event) -> None:
        """Answer one event."""
        match event:
            case Content(data):
                self._on_content(data)
            case RcptTo(envelope):
                self.dialogue.respond(self._on_rcpt(envelope))
            case MailFrom(envelope):
                self._discard()
                self._message = Message(envelope, self._service.parts.config.state_directory)
                self.dialogue.respond(OK)
            case DataCommand():
                self._failed = False
                if self._message is not None:
                    self._message.open()
                self.dialogue.respond(reply(354, "", "End data with <CR><LF>.<CR><LF>"))
            case EndOfContent():
                await self._on_end_of_content(event)
            case Hello():
                self._on_hello()
            case Reset():
                self._discard()
                self.dialogue.respond(OK)
            case _:
                raise AssertionError(f"unexpected event {event!r}")

    async def ended(self) -> None:
        """Forget a message half received."""
        self._discard()

    @property
    def _hostname(self) -> str:
        return self._service.parts.config.hostname

    def _on_hello(self) -> None:
        size = self._service.parts.config.sending.max_message_size
        lines = (self._hostname, "PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8")
        answer = Reply(250, (*lines, "DSN", f"SIZE {size}"))
        self.dialogue.respond_to_hello(answer, parameters=_PARAMETERS)

    def _on_rcpt(self, envelope: Envelope) -> Reply:
        if self._message is None or envelope.mailbox is None or not envelope.mailbox.domain:
            return NO_DOMAIN
        self._message.recipients.append(envelope)
        return reply(250, "2.1.5", "Ok, to be tried")

    def _on_content(self, data: bytes) -> None:
        if self._message is None or self._failed:
            return
        try:
            self._message.write(data)
        except OSError as error:
            log.error("spool not writable", reason=str(error.strerror))
            self._failed = True

    async def _on_end_of_content(self, event: EndOfContent) -> None:
        answers = await self._deliver(event)
        taken = sum(answer.is_positive for answer in answers)
        outcome = "delivered" if taken == len(answers) else "partly" if taken else "refused"
        self._service.metrics.message("sending", outcome, event.size)
        self._discard()
        self.dialogue.respond_to_content(answers)

    async def _deliver(self, event: EndOfContent) -> list[Reply]:
        message = self._message
        if message is None:
            raise AssertionError("content without MAIL")
        if event.fault is not None:
            code = (552, "5.3.4") if event.fault is ContentFault.TOO_BIG else (550, "5.6.0")
            return [reply(*code, event.fault.value)] * len(message.recipients)
        if self._failed:
            return [NO_SPACE] * len(message.recipients)
        return await self._service.delivery.deliver(message)

    def _discard(self) -> None:
        if self._message is not None:
            self._message.close()
            self._message = None
