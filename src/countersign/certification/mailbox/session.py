"""One client of the test mailbox: from its EHLO to the acknowledgement of a message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import structlog

from countersign.certification.mailbox.message import HEAD, MailboxUnavailableError, Message
from countersign.certification.mailbox.recipient import read_recipient
from countersign.certification.mailbox.sender import Claim, SenderTest
from countersign.certification.outcome import printable
from countersign.certification.test_address import Kind, TestAddress
from countersign.certification.transcript import Transcript
from countersign.protocol.command import Envelope
from countersign.protocol.data import ContentFault
from countersign.protocol.events import (
    Content,
    DataCommand,
    EndOfContent,
    Event,
    Hello,
    MailFrom,
    Question,
    RcptTo,
    SessionIdOffered,
)
from countersign.protocol.reply import Reply, reply
from countersign.protocol.server import OK
from countersign.rules.network import canonical
from countersign.transport.session import ServerSession
from countersign.transport.stream import Stream

if TYPE_CHECKING:
    from countersign.certification.mailbox.server import TestMailbox

log = structlog.get_logger()

GO_ON = reply(354, "", "End data with <CR><LF>.<CR><LF>")
KEPT = reply(250, "2.0.0", "Ok")
UNKNOWN = reply(550, "5.1.1", "No such mailbox: only tests of the registrar are received here")
LATER = reply(451, "4.3.0", "The message cannot be kept now, try again later")
NOT_KNOWN_NOW = reply(451, "4.3.0", "Mailboxes cannot be looked up now, try again later")
UNDER_WAY = reply(451, "4.3.2", "A test with this address is under way, try again later")
ONE_TEST = reply(452, "4.5.3", "One such address in a message")
NOT_OURS = reply(550, "5.7.1", "FALSE")
_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8"})

T = TypeVar("T")


class MailboxSession(ServerSession):
    """A connection to the test mailbox."""

    def __init__(self, mailbox: TestMailbox, stream: Stream) -> None:
        limits = mailbox.limits
        super().__init__(
            stream,
            mailbox.server_settings,
            server_tls=mailbox.tls,
            command_timeout=limits.command_seconds,
        )
        self._mailbox = mailbox
        self._ends_at = self._loop.time() + limits.session_seconds
        self._transcript = Transcript(self._loop.time)
        self._transcript.note(f"connection from {self.client_address}")
        self.observe = self._transcript.observe
        self._claim: Claim | None = None
        self._addresses: dict[TestAddress, None] = {}
        self._test = ""
        """Mark of the sending test that the message is for."""
        self._host = ""
        self._head = bytearray()
        self._following: SenderTest | None = None

    # -- ServerSession ----------------------------------------------------------------------------

    async def greet(self) -> None:
        """Greet."""
        self.dialogue.greet(reply(220, "", f"{self._mailbox.hostname} ESMTP test mailbox"))

    def time_allowed(self) -> float:
        """Return the seconds for the next octets."""
        return min(super().time_allowed(), self._ends_at - self._loop.time())

    async def handle(self, event: Event) -> None:
        """Answer one event."""
        match event:
            case Hello():
                self._on_hello(event)
            case SessionIdOffered():
                self._on_session_id(event)
            case Question():
                # No session was ever opened from here.
                self.dialogue.respond(NOT_OURS, close=True)
            case MailFrom():
                self._forget_recipients()
                self.dialogue.respond(OK)
            case RcptTo():
                self.dialogue.respond(await self._on_rcpt(event.envelope))
            case DataCommand():
                self._head.clear()
                self.dialogue.respond(GO_ON)
                self.flush()
                # The message is nobody's business but as far as it is kept below.
                self.observe = None
            case Content():
                self._head += event.data[: HEAD - len(self._head)]
            case EndOfContent():
                self.observe = self._transcript.observe
                self._transcript.note(f"a message of {event.size} octets")
                await self._on_end_of_content(event)
            case _:
                self._forget_recipients()
                self.dialogue.respond(OK)

    async def ended(self) -> None:
        """Let what is to be asked after the session's end be asked."""
        following, self._following = self._following, None
        if following is not None:
            mark, self._test = self._test, ""
            self._mailbox.follow(mark, self._follow(mark, following))
        self._forget_recipients()

    # -- commands ---------------------------------------------------------------------------------

    def _on_hello(self, event: Hello) -> None:
        self._claim = None
        self._forget_recipients()
        lines = [self._mailbox.hostname]
        if event.verb == "EHLO":
            lines += ["PIPELINING", f"SIZE {self._mailbox.limits.size}", "8BITMIME"]
            lines += ["ENHANCEDSTATUSCODES", "SMTPUTF8"]
            if self.dialogue.in_tls:
                lines.append("XSESSIONID")
            elif self._mailbox.tls is not None:
                lines.append("STARTTLS")
        parameters = _PARAMETERS if event.verb == "EHLO" else frozenset()
        self.dialogue.respond_to_hello(Reply(250, tuple(lines)), parameters=parameters)

    def _on_session_id(self, event: SessionIdOffered) -> None:
        hello = self.dialogue.hello
        is_repeated = self._mailbox.is_repeated(event.session_id)
        self._claim = Claim(
            host=hello.name if hello is not None else "",
            session_id=event.session_id,
            is_repeated=is_repeated,
            local_address=self.local_address,
        )
        # Whether it is true is asked when the message is there: only then is it known that the
        # host has agreed to be asked.
        self.dialogue.respond(reply(250, "2.7.0", "Noted"))

    async def _on_rcpt(self, envelope: Envelope) -> Reply:
        address = read_recipient(envelope.mailbox, self._mailbox.domain)
        if address is None:
            return UNKNOWN
        try:
            if address.kind is Kind.SENDING:
                return await self._on_sender(address.mark)
            if not await self._bounded(self._mailbox.knows(address.mark, address.kind)):
                return UNKNOWN
        except MailboxUnavailableError:
            return NOT_KNOWN_NOW
        self._addresses[address] = None
        return OK

    async def _on_sender(self, mark: str) -> Reply:
        senders = self._mailbox.senders
        host = None if senders is None else await self._bounded(senders.host_of(mark))
        if host is None:
            return UNKNOWN
        if self._test == mark:
            return OK
        if self._test:
            return ONE_TEST
        if not self._mailbox.begin_test(mark):
            return UNDER_WAY
        self._test, self._host = mark, host
        return OK

    # -- the message ------------------------------------------------------------------------------

    async def _on_end_of_content(self, event: EndOfContent) -> None:
        # Of a message with other faults the envelope is proof enough.
        if event.fault is ContentFault.TOO_BIG:
            self.dialogue.respond_to_content([reply(552, "5.3.4", event.fault.value)])
            self._forget_recipients()
            return
        try:
            await self._keep()
        except MailboxUnavailableError:
            answer = LATER
        else:
            answer = KEPT
        log.info(
            "message at the test mailbox",
            client=self.client_address,
            recipients=self.dialogue.recipients,
            size=event.size,
            code=answer.code,
        )
        # After a broken line ending the client's idea of where commands begin is not ours.
        is_lost = event.fault in (ContentFault.BARE_LINE_ENDING, ContentFault.NUL)
        self.dialogue.respond_to_content([answer], close=is_lost or self._following is not None)
        if self._following is None:
            self._forget_recipients()

    async def _keep(self) -> None:
        if self._addresses:
            hello = self.dialogue.hello
            message = Message(
                addresses=tuple(self._addresses),
                from_address=canonical(self.client_address) if self.client_address else "",
                hello=printable(hello.name if hello is not None else "")[:255],
                head=bytes(self._head),
            )
            await self._bounded(self._mailbox.deliver(message))
        if self._test:
            await self._examine()

    async def _examine(self) -> None:
        senders, tests = self._mailbox.senders, self._mailbox.sender_tests
        if senders is None or tests is None:
            return
        test = tests.begin(self._host, self._claim, self._transcript)
        await test.while_open()
        await self._bounded(senders.record(self._test, test.result()))
        self._following = test

    async def _follow(self, mark: str, test: SenderTest) -> None:
        await test.after_close()
        senders = self._mailbox.senders
        if senders is not None:
            try:
                await self._bounded(senders.record(mark, test.result()))
            except MailboxUnavailableError:
                log.warning("end of a sending test not kept", host=self._host)

    def _forget_recipients(self) -> None:
        self._addresses.clear()
        if self._test:
            self._mailbox.end_test(self._test)
        self._test = self._host = ""

    async def _bounded(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._mailbox.limits.answer_seconds):
                return await answer
        except TimeoutError:
            raise MailboxUnavailableError("no answer in time") from None
