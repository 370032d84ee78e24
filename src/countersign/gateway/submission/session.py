"""One client of the submission listener: its sign-in, then its mail (DESIGN §5, RFC 6409)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from countersign.gateway.backend.interface import FATE_UNKNOWN, ClientFacts
from countersign.gateway.submission.incoming import Incoming
from countersign.gateway.submission.passing import Sender
from countersign.gateway.submission.sign_in_dialogue import SignInDialogue
from countersign.gateway.submission.sources.interface import Challenge, SignedIn
from countersign.gateway.submission.transaction import Origin, Transaction
from countersign.mail.trace import Transfer, received_field
from countersign.protocol.data import ContentFault
from countersign.protocol.events import (
    AuthBegun,
    AuthContinued,
    AuthInClear,
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
from countersign.rules.sign_in_lapse import SignInStart
from countersign.storage.submission.entries import Front
from countersign.transport.session import ServerSession
from countersign.transport.stream import Stream

if TYPE_CHECKING:
    from countersign.gateway.submission.service import SubmissionService

log = structlog.get_logger()

SIGNED_IN = reply(235, "2.7.0", "Signed in")


class SubmissionSession(ServerSession):
    """A connection to port 587 or 465."""

    def __init__(self, service: SubmissionService, stream: Stream) -> None:
        super().__init__(
            stream,
            service.server_settings(),
            server_tls=service.submission.tls,
            command_timeout=service.settings.command_timeout,
        )
        self._service = service
        self._config = service.parts.config
        self._desk = service.submission.desk
        self._started = self._loop.time()
        self._backend = service.backend.session()
        self._sign_ins = SignInDialogue(
            service.submission.sign_in, self._desk.refusals, self.client_address
        )
        self._user = ""
        self._start: SignInStart | None = None
        self._transaction: Transaction | None = None
        self._in_content = False

    # -- ServerSession ---------------------------------------------------------------------

    async def greet(self) -> None:
        """Greet."""
        self.dialogue.greet(reply(220, "", f"{self._config.hostname} ESMTP Countersign"))

    async def handle(self, event: Event) -> None:
        """Answer one event."""
        match event:
            case Content(data):
                await self._current().add_content(data)
            case RcptTo(envelope):
                count = self.dialogue.recipients + 1
                self.dialogue.respond(await self._current().add_recipient(envelope, count))
            case MailFrom():
                self.dialogue.respond(await self._mail(event))
            case DataCommand():
                await self._on_data()
            case EndOfContent():
                await self._on_end_of_content(event)
            case Hello():
                await self._on_hello(event)
            case AuthInClear():
                await self._service.submission.sign_in.in_clear(self.client_address)
                self.dialogue.respond(self._desk.refusals.in_clear)
            case AuthBegun() | AuthContinued():
                await self._on_auth(event)
            case Reset():
                await self._end_transaction()
                self.dialogue.respond(OK)
            case _:
                raise AssertionError(f"unexpected event {event!r}")

    async def ended(self) -> None:
        """Forget what was half sent, and give the backend's connection back."""
        if self._transaction is not None:
            self._transaction.close()
        await self._backend.close()

    def time_allowed(self) -> float:
        """Return the seconds for the next octets: less for who has not signed in."""
        settings = self._service.settings
        if self._in_content:
            return settings.data_timeout
        if self.dialogue.signed_in:
            return settings.command_timeout
        left = self._started + settings.sign_in_timeout - self._loop.time()
        return min(settings.command_timeout, left)

    # -- greeting and sign-in ------------------------------------------------------------------

    async def _on_hello(self, event: Hello) -> None:
        await self._end_transaction()
        hostname = self._config.hostname
        if event.verb == "HELO":
            self.dialogue.respond_to_hello(reply(250, "", hostname), parameters=frozenset())
            return
        parameters = self._service.backend.parameters
        lines = [hostname, "PIPELINING", f"SIZE {self._service.settings.max_message_size}"]
        # Not the last line: there are clients that do not find it there.
        lines += self.dialogue.extensions
        lines += ["ENHANCEDSTATUSCODES", "8BITMIME"]
        lines += ["SMTPUTF8"] if "SMTPUTF8" in parameters else []
        lines += ["DSN"] if "NOTIFY" in parameters else []
        answer = Reply(250, tuple(lines))
        self.dialogue.respond_to_hello(answer, parameters=parameters | {"BODY"})

    async def _on_auth(self, event: AuthBegun | AuthContinued) -> None:
        if isinstance(event, AuthBegun):
            self._start = await self._desk.sign_in_begins()
            if self._start is None:
                self.dialogue.respond(self._desk.refusals.cannot_sign_in)
                return
        match await self._sign_ins.answer(event):
            case Challenge(octets):
                self.dialogue.respond_with_challenge(octets)
            case SignedIn(user):
                self._user = user
                self.dialogue.respond(SIGNED_IN)
            case Reply() as refusal:
                self.dialogue.respond(refusal)

    # -- mail ----------------------------------------------------------------------------------

    async def _mail(self, event: MailFrom) -> Reply:
        sender = await self._desk.open(self._user, self._start)
        if isinstance(sender, Reply):
            self._service.metrics.refusal(self._reason(sender))
            return sender
        answer = await self._backend.mail(self._facts(), event.envelope)
        if answer.is_positive:
            self._transaction = self._begin(sender, "SMTPUTF8" in event.envelope.parameters)
        return answer

    def _reason(self, refusal: Reply) -> str:
        if refusal is self._desk.refusals.sign_in_again:
            return "sign-in-lapsed"
        return "submission-deferred" if refusal.is_transient else "account-locked"

    def _begin(self, sender: Sender, is_utf8: bool) -> Transaction:
        origin = Origin(
            hostname=self._config.hostname,
            client_address=self.client_address,
            received=lambda tracking_id: self._received(tracking_id, is_utf8),
        )
        return Transaction(self._desk, self._backend, sender, origin)

    async def _on_data(self) -> None:
        settings = self._service.settings
        incoming = Incoming(self._service.spools.open(), max_header=settings.max_header_size)
        answer = self._current().begin_content(incoming)
        self._in_content = answer.is_intermediate
        self.dialogue.respond(answer)

    async def _on_end_of_content(self, event: EndOfContent) -> None:
        self._in_content = False
        transaction, recipients = self._current(), self.dialogue.recipients
        answer = await transaction.finish(event, recipients)
        await self._end_transaction()
        self._service.metrics.submitted(Front.LISTENER.value, _outcome(answer), recipients)
        # Neither user nor address: the tracking ID leads to them, for those who may know.
        log.info(
            "submission",
            id=transaction.id,
            recipients=recipients,
            size=event.size,
            code=answer.code,
        )
        # After a broken line ending the client's idea of where commands begin is not ours.
        framing_lost = event.fault in (ContentFault.BARE_LINE_ENDING, ContentFault.NUL)
        self.dialogue.respond_to_content([answer], close=framing_lost)

    async def _end_transaction(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.close()
            await self._backend.reset()

    def _current(self) -> Transaction:
        if self._transaction is None:
            raise AssertionError("no transaction")
        return self._transaction

    def _facts(self) -> ClientFacts:
        """Return what the MTA is told of the client: it writes it into its Received field."""
        is_shown = self._service.settings.show_client
        hello = self.dialogue.hello
        return ClientFacts(
            address=self.client_address if is_shown else self.local_address,
            port=self.client_port if is_shown else self.local_port,
            local_address=self.local_address,
            local_port=self.local_port,
            hello=hello.name if is_shown and hello is not None else self._config.hostname,
            extended=True,
            login=self._user,
        )

    def _received(self, tracking_id: str, is_utf8: bool) -> bytes:
        is_shown = self._service.settings.show_client
        hello, tls = self.dialogue.hello, self.stream.tls()
        cipher = tls.cipher() if tls is not None else None
        transfer = Transfer(
            hello=hello.name if hello is not None else "unknown",
            client_address=self.client_address if is_shown else "",
            receiver=self._config.hostname,
            protocol="UTF8SMTPSA" if is_utf8 else "ESMTPSA",
            identifier=tracking_id,
            at=datetime.now(UTC),
            tls=f"{cipher[1]} with cipher {cipher[0]}" if cipher else "",
        )
        return received_field(transfer)


def _outcome(answer: Reply) -> str:
    if answer.is_positive:
        return "accepted"
    if answer is FATE_UNKNOWN:
        return "unknown"
    return "refused" if answer.is_permanent else "deferred"
