"""One client of the receiving listener: verification, then its mail (DESIGN §3, §4)."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from countersign.gateway.backend.interface import ClientFacts
from countersign.gateway.receiving.answering import CERTIFICATE_WANTED, Asker
from countersign.gateway.receiving.verifier import Claim, Verdict
from countersign.mail.trace import (
    HeaderRewriter,
    HeaderTooBigError,
    Transfer,
    authentication_results_field,
    received_field,
)
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
    Reset,
    SessionIdOffered,
)
from countersign.protocol.reply import Reply, reply
from countersign.protocol.server import OK
from countersign.rules.admission import Admission, Client, admit, refuses_connection
from countersign.rules.network import network_key
from countersign.rules.verification import Consequence, Outcome, judge
from countersign.storage.tables import Block, TablesUnavailableError
from countersign.transport.session import ServerSession
from countersign.transport.stream import Stream

if TYPE_CHECKING:
    from countersign.gateway.receiving.service import ReceivingService

log = structlog.get_logger()

TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "One recipient at a time, please")
_SLOW_START_SECONDS = 60
"""Octets must come at the minimum rate only after this long."""


class ReceivingSession(ServerSession):
    """A connection to port 25."""

    def __init__(self, service: ReceivingService, stream: Stream) -> None:
        super().__init__(
            stream,
            service.server_settings,
            server_tls=service.parts.server_tls,
            command_timeout=service.settings.command_timeout,
        )
        self._service = service
        self._config = service.parts.config
        self._network = network_key(self.client_address)
        self._is_allowed = service.is_allowed(self.client_address)
        self._started = self._loop.time()
        self._proven_host = ""
        self._is_proof_stale = False
        self._blocked_hosts: dict[str, str] = {}
        self._was_asked_for_certificate = False
        self._backend = service.backend.session()
        self._rewriter: HeaderRewriter | None = None
        self._refusal: Reply | None = None
        self._content_started = 0.0
        self._content_size = 0
        self._transaction = ""

    # -- ServerSession ---------------------------------------------------------------------

    async def greet(self) -> None:
        """Greet, or refuse a blocked address where the literal rule is set."""
        if self._is_allowed:
            self._send_greeting()
            return
        try:
            blocks = await self._service.parts.tables.blocks_of(self._network, time.time())
        except TablesUnavailableError:
            # Without the table nobody can be verified, but nobody is turned away for good.
            blocks = []
        self._blocked_hosts = {block.claimed_host: block.reason for block in blocks}
        rule = self._config.verification.block
        if refuses_connection(is_allowed=False, blocks=len(blocks), rule=rule):
            self._service.metrics.refusal("blocked")
            words = f"Your address is blocked; see {self._config.information_url}"
            self.dialogue.greet(reply(554, "5.7.1", words))
            return
        self._send_greeting()

    def _send_greeting(self) -> None:
        self.dialogue.greet(reply(220, "", f"{self._config.hostname} ESMTP Countersign"))

    async def handle(self, event: Event) -> None:
        """Answer one event."""
        match event:
            case Content():
                await self._on_content(event)
            case RcptTo():
                await self._on_rcpt(event)
            case MailFrom():
                await self._on_mail(event)
            case EndOfContent():
                await self._on_end_of_content(event)
            case DataCommand():
                await self._on_data()
            case Hello():
                await self._on_hello(event)
            case SessionIdOffered():
                await self._on_session_id(event)
            case Question():
                await self._on_question(event)
            case Reset():
                await self._backend.reset()
                self.dialogue.respond(OK)
            case _:
                raise AssertionError(f"unexpected event {event!r}")

    async def ended(self) -> None:
        """Give the backend's connection back."""
        await self._backend.close()

    def time_allowed(self) -> float:
        """Return the seconds for the next octets: less for clients that are not verified."""
        now = self._loop.time()
        if self._content_started:
            settings = self._service.settings
            allowed = settings.data_timeout
            if settings.minimum_data_rate:
                due = self._content_size / settings.minimum_data_rate + _SLOW_START_SECONDS
                allowed = min(allowed, self._content_started + due - now)
            return allowed
        allowed = self._service.settings.command_timeout
        if not self._may_send:
            allowed = min(allowed, self._started + self._service.settings.unverified_timeout - now)
        return allowed

    # -- greeting and verification -----------------------------------------------------------

    @property
    def _may_send(self) -> bool:
        return self._is_allowed or bool(self._proven_host)

    async def _on_hello(self, event: Hello) -> None:
        # A second EHLO voids a verification, also one for the same name (DESIGN §3.6).
        self._proven_host = ""
        await self._backend.reset()
        hostname = self._config.hostname
        if event.verb == "HELO":
            self.dialogue.respond_to_hello(reply(250, "", hostname), parameters=frozenset())
            return
        parameters = self._service.backend.parameters
        lines = [hostname, "PIPELINING", f"SIZE {self._service.settings.max_message_size}"]
        lines += ["ENHANCEDSTATUSCODES", "8BITMIME"]
        lines += ["SMTPUTF8"] if "SMTPUTF8" in parameters else []
        lines += ["DSN"] if "NOTIFY" in parameters else []
        lines += self.dialogue.extensions
        answer = Reply(250, tuple(lines))
        self.dialogue.respond_to_hello(answer, parameters=parameters | {"BODY"})

    async def _on_session_id(self, event: SessionIdOffered) -> None:
        hello = self.dialogue.hello
        if hello is None:
            raise AssertionError("XSESSIONID without EHLO")
        self.flush()
        started = self._loop.time()
        verdict = await self._verify(hello.name, event.session_id)
        outcome = verdict.outcome
        self._service.metrics.verified(
            outcome.value, self._loop.time() - started, is_stale=verdict.is_stale
        )
        judgement = judge(outcome)
        log.info(
            "verification",
            client=self.client_address,
            claimed_host=hello.name,
            outcome=outcome.value,
            registry="stale" if verdict.is_stale else "current",
        )
        if judgement.consequence is Consequence.ADMIT:
            self._proven_host = hello.name
            self._is_proof_stale = verdict.is_stale
            await self._lift_block(hello.name)
            self.dialogue.respond(reply(250, "2.7.0", "Verified"))
        elif judgement.consequence is Consequence.DEFER:
            self.dialogue.respond(reply(451, "4.7.1", judgement.words))
        else:
            await self._block(hello.name, outcome)
            words = f"{judgement.words}; see {self._config.information_url}"
            self.dialogue.respond(reply(554, "5.7.1", words), close=True)

    async def _verify(self, claimed_host: str, session_id: str) -> Verdict:
        settings = self._config.verification
        is_blocked = claimed_host in self._blocked_hosts
        counter = f"attempts:{self._network}"
        limit = settings.attempts
        if is_blocked:
            counter, limit = f"{counter}:blocked", settings.blocked_attempts
        try:
            tables = self._service.parts.tables
            attempts = await tables.count(counter, settings.attempts_window, time.time())
        except TablesUnavailableError:
            return Verdict(Outcome.STORE_UNAVAILABLE)
        if attempts > limit and not self._is_allowed:
            return Verdict(Outcome.TOO_MANY_ATTEMPTS)
        claim = Claim(claimed_host, session_id, self.client_address, self.local_address)
        return await self._service.verifier.verify(claim)

    async def _block(self, claimed_host: str, outcome: Outcome) -> None:
        if self._is_allowed or self.client_address in self._service.own_addresses:
            return
        now = time.time()
        until = now + self._config.verification.block_seconds
        block = Block(self._network, claimed_host, outcome.value, now, until)
        self._service.metrics.blocked()
        try:
            await self._service.parts.tables.block(block)
        except TablesUnavailableError:
            log.warning("block not stored", client=self.client_address)

    async def _lift_block(self, claimed_host: str) -> None:
        if self._blocked_hosts.pop(claimed_host, None) is None:
            return
        try:
            await self._service.parts.tables.unblock(self._network, claimed_host)
        except TablesUnavailableError:
            log.warning("block not lifted", client=self.client_address)

    async def _on_question(self, event: Question) -> None:
        tls = self.stream.tls()
        asker = Asker(self.client_address, tls, self._was_asked_for_certificate)
        answer = await self._service.answering.answer(event.session_id, asker)
        self._service.metrics.answered(answer.text if answer.code != 450 else "suspended")
        if answer is CERTIFICATE_WANTED:
            self._was_asked_for_certificate = True
            self.dialogue.respond(answer)
        else:
            self.dialogue.respond(answer, close=True)

    # -- mail ----------------------------------------------------------------------------------

    async def _on_mail(self, event: MailFrom) -> None:
        hello = self.dialogue.hello
        name = hello.name if hello is not None else ""
        decision = admit(
            Client(
                is_allowed=self._is_allowed,
                is_proven=bool(self._proven_host),
                is_blocked=name in self._blocked_hosts,
            )
        )
        if not decision.admits:
            self._service.metrics.refusal(decision.value)
            self.dialogue.respond(self._refuse(decision))
            return
        facts = ClientFacts(
            address=self.client_address,
            port=self.client_port,
            local_address=self.local_address,
            local_port=self.local_port,
            hello=name,
            extended=hello is not None and hello.verb == "EHLO",
        )
        self._transaction = secrets.token_hex(6)
        self.dialogue.respond(await self._backend.mail(facts, event.envelope))

    def _refuse(self, decision: Admission) -> Reply:
        url = self._config.information_url
        if decision is Admission.REJECT_BLOCKED:
            return reply(554, "5.7.1", f"Your address is blocked for the host you claim; see {url}")
        words = f"Mail is taken from registered servers that prove who they are; see {url}"
        return reply(554, "5.7.1", words)

    async def _on_rcpt(self, event: RcptTo) -> None:
        if self._backend.one_recipient and self.dialogue.recipients:
            self.dialogue.respond(TOO_MANY_RECIPIENTS)
            return
        self.dialogue.respond(await self._backend.rcpt(event.envelope))

    async def _on_data(self) -> None:
        self.flush()
        answer = await self._backend.data()
        self.dialogue.respond(answer)
        if answer.is_intermediate:
            self._refusal = None
            self._content_started = self._loop.time()
            self._content_size = 0
            settings = self._service.settings
            self._rewriter = HeaderRewriter(
                self._trace_fields(), self._config.hostname, max_header=settings.max_header_size
            )

    async def _on_content(self, event: Content) -> None:
        self._content_size += len(event.data)
        if self._refusal is not None or self._rewriter is None:
            return
        try:
            passed = self._rewriter.feed(event.data)
        except HeaderTooBigError as error:
            self._refusal = reply(552, "5.3.4", str(error))
            return
        if passed:
            await self._backend.content(passed)

    async def _on_end_of_content(self, event: EndOfContent) -> None:
        self._content_started = 0.0
        answer = await self._end(event)
        outcome = "delivered" if answer.is_positive else "refused"
        self._service.metrics.message("receiving", outcome, event.size)
        log.info(
            "message",
            id=self._transaction,
            client=self.client_address,
            host=self._proven_host,
            recipients=self.dialogue.recipients,
            size=event.size,
            code=answer.code,
        )
        # After a broken line ending the client's idea of where commands begin is not ours.
        framing_lost = event.fault in (ContentFault.BARE_LINE_ENDING, ContentFault.NUL)
        self.dialogue.respond_to_content([answer], close=framing_lost)

    async def _end(self, event: EndOfContent) -> Reply:
        rewriter, self._rewriter = self._rewriter, None
        if event.fault is ContentFault.TOO_BIG:
            self._refusal = reply(552, "5.3.4", event.fault.value)
        elif event.fault is not None:
            self._refusal = reply(550, "5.6.0", event.fault.value)
        if self._refusal is not None or rewriter is None:
            await self._backend.abandon()
            return self._refusal or reply(451, "4.3.0", "Internal error")
        rest = rewriter.finish()
        if rest:
            await self._backend.content(rest)
        return await self._backend.end_of_content()

    def _trace_fields(self) -> bytes:
        hello = self.dialogue.hello
        name = hello.name if hello is not None else "unknown"
        extended = hello is not None and hello.verb == "EHLO"
        tls = self.stream.tls()
        protocol = ("ESMTP" if extended else "SMTP") + ("S" if tls is not None else "")
        cipher = tls.cipher() if tls is not None else None
        transfer = Transfer(
            hello=name,
            client_address=self.client_address,
            receiver=self._config.hostname,
            protocol=protocol,
            identifier=self._transaction,
            at=datetime.now(UTC).astimezone(),
            tls=f"{cipher[1]} with cipher {cipher[0]}" if cipher else "",
        )
        is_proven = bool(self._proven_host)
        results = authentication_results_field(
            self._config.hostname,
            "pass" if is_proven else "none",
            name,
            is_stale=is_proven and self._is_proof_stale,
        )
        return results + received_field(transfer)
