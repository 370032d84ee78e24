"""A connection from an MTA that asks whether its users may send (DESIGN §5)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from countersign.gateway.milter.message import MilterMessage, removals
from countersign.gateway.submission.desk import Accepted, Submitted
from countersign.mail.completion import NoAuthorError, missing_fields
from countersign.protocol.milter.answers import Verdict
from countersign.protocol.milter.codes import Stage
from countersign.protocol.milter.events import (
    BodyPiece,
    Connected,
    DataCommand,
    EndOfMessage,
    Event,
    HeaderField,
    MailFrom,
    RcptTo,
)
from countersign.protocol.milter.packets import MilterSyntaxError
from countersign.protocol.milter.server import MilterDialogue
from countersign.protocol.reply import Reply, reply
from countersign.rules.submission import normalise_user
from countersign.storage.submission.entries import Front
from countersign.transport.stream import Stream, StreamClosedError

if TYPE_CHECKING:
    from countersign.gateway.milter.service import MilterService

log = structlog.get_logger()

SYMBOLS = {
    Stage.HELO: ("{tls_version}",),
    Stage.MAIL: ("i", "{auth_authen}", "{tls_version}"),
    Stage.RCPT: ("i",),
    Stage.DATA: ("i",),
    Stage.END_OF_HEADER: ("i",),
    Stage.END_OF_MESSAGE: ("i",),
}
PROGRESS_SECONDS = 10.0
"""Between words to an MTA that waits for a decision."""
_UNUSABLE_NAME = reply(550, "5.7.1", "The name that you signed in with cannot be used here")
_NO_RECIPIENTS = reply(554, "5.5.1", "No valid recipients")


class MilterSession:
    """One connection; it may serve several clients and messages, one after the other."""

    def __init__(self, service: MilterService, stream: Stream) -> None:
        self.deadline = 0.0
        self._service = service
        self._stream = stream
        self._dialogue = MilterDialogue(SYMBOLS)
        self._loop = asyncio.get_running_loop()
        self._client_address = ""
        self._message: MilterMessage | None = None
        self._leaving = False

    # -- the connection ----------------------------------------------------------------------

    async def run(self) -> None:
        """Run the dialogue to its end; never raises but for cancellation."""
        try:
            await self._converse()
        except StreamClosedError:
            pass
        except MilterSyntaxError as error:
            # The MTA goes on as it is told for a filter that is away.
            log.error("the MTA's words make no sense", mta=self._stream.peer()[0], why=str(error))
            self._service.metrics.refusal("milter-syntax")
        except Exception:
            log.exception("milter session failed")
        finally:
            self._stream.close()

    async def _converse(self) -> None:
        while not self._dialogue.closed:
            event = self._dialogue.next_event()
            if event is not None:
                await self._handle(event)
            elif not await self._receive():
                return

    async def _receive(self) -> bool:
        self._flush()
        if self._leaving and not self._dialogue.in_message:
            return False
        self.deadline = self._loop.time() + self._service.settings.idle_timeout
        await self._stream.drain()
        octets = await self._stream.read()
        self.deadline = 0.0
        self._dialogue.receive(octets)
        return bool(octets)

    def _flush(self) -> None:
        octets = self._dialogue.octets_to_send()
        if octets:
            self._stream.write(octets)

    def leave(self) -> None:
        """End after the current message: there is no word by which an MTA is sent elsewhere."""
        self._leaving = True
        if self.deadline and not self._dialogue.in_message:
            self._stream.close()

    def expire(self) -> None:
        """End now: the MTA has been silent for too long."""
        self._stream.abort()

    # -- events ------------------------------------------------------------------------------

    async def _handle(self, event: Event) -> None:
        match event:
            case BodyPiece(octets):
                if self._message is not None:
                    self._message.add_body(octets)
            case HeaderField():
                if self._message is not None:
                    self._message.add_field(event)
            case RcptTo():
                self._dialogue.respond(await self._on_rcpt() or Verdict.CONTINUE)
            case MailFrom():
                self._message = None
                self._dialogue.respond(await self._on_mail() or Verdict.CONTINUE)
            case DataCommand():
                self._dialogue.respond(self._on_data() or Verdict.CONTINUE)
            case EndOfMessage(rest):
                await self._on_end_of_message(rest)
            case Connected(_, address):
                self._client_address = address
                self._message = None
            case _:
                if not self._dialogue.in_message:
                    self._message = None

    async def _on_mail(self) -> Reply | None:
        """Begin a transaction; return why it cannot be."""
        refusals, name = self._service.desk.refusals, self._dialogue.macro("auth_authen")
        if not name:
            self._service.metrics.refusal("not-signed-in")
            return refusals.not_signed_in
        if not self._dialogue.macro("tls_version"):
            await self._service.count_in_clear(self._client_address)
            return refusals.in_clear
        try:
            user = normalise_user(name)
        except ValueError:
            return _UNUSABLE_NAME
        sender = await self._service.desk.open(user)
        if isinstance(sender, Reply):
            return sender
        settings = self._service.settings
        self._message = MilterMessage(
            sender, max_size=settings.max_message_size, max_header=settings.max_header_size
        )
        return None

    async def _on_rcpt(self) -> Reply | None:
        message = self._message
        if message is None:
            return self._service.desk.refusals.not_signed_in
        if message.refusal is not None:
            return message.refusal
        refusal = await self._service.desk.check_recipients(message.sender, message.recipients + 1)
        if refusal is None:
            message.recipients += 1
        elif refusal.is_permanent:
            # Otherwise the message would go out to those before, and the rest be lost in silence.
            message.refuse(refusal)
        return refusal

    def _on_data(self) -> Reply | None:
        message = self._message
        if message is None or not message.recipients:
            return _NO_RECIPIENTS if message is None else message.refusal or _NO_RECIPIENTS
        return message.refusal

    # -- the end of a message ----------------------------------------------------------------

    async def _on_end_of_message(self, rest: bytes) -> None:
        message, self._message = self._message, None
        if message is None:
            self._dialogue.respond(_NO_RECIPIENTS)
            return
        message.add_body(rest)
        message.finish()
        answer = await self._end(message)
        is_taken = answer is Verdict.CONTINUE
        metrics = self._service.metrics
        metrics.message("milter", "delivered" if is_taken else "refused", message.size)
        metrics.submitted("milter", "accepted" if is_taken else "refused", message.recipients)

    async def _end(self, message: MilterMessage) -> Verdict | Reply:
        """Decide on a message and tell the MTA."""
        if message.refusal is not None or not message.recipients:
            return self._refuse(message.refusal or _NO_RECIPIENTS)
        fields = [field.octets for field in message.fields]
        try:
            completing = self._missing(fields)
        except NoAuthorError as error:
            return self._refuse(reply(550, "5.6.0", str(error)))
        asking = asyncio.ensure_future(
            self._service.desk.accept(self._submitted(message, [*fields, *completing]))
        )
        try:
            await self._wait_for(asking)
            accepted = asking.result()
            if isinstance(accepted, Reply):
                return self._refuse(accepted)
            self._change(message, accepted, completing)
            self._dialogue.respond(Verdict.CONTINUE)
            self._flush()
        except BaseException:
            # The MTA has no answer, and does not pass the message on.
            await asyncio.shield(self._take_back(asking))
            raise
        log.info(
            "message",
            id=accepted.id,
            queue_id=self._dialogue.macro("i"),
            client=self._client_address,
            recipients=message.recipients,
            size=message.size,
        )
        return Verdict.CONTINUE

    def _missing(self, fields: list[bytes]) -> tuple[bytes, ...]:
        return missing_fields(
            fields,
            hostname=self._service.hostname,
            identifier=secrets.token_hex(16),
            at=datetime.now(UTC),
        )

    def _submitted(self, message: MilterMessage, fields: list[bytes]) -> Submitted:
        return Submitted(
            sender=message.sender,
            client_address=self._client_address,
            recipients=message.recipients,
            size=message.size,
            header=b"".join(fields),
            body_hash=message.body_hash,
            front=Front.MILTER,
        )

    async def _wait_for(self, asking: asyncio.Future[Accepted | Reply]) -> None:
        while True:
            done, _ = await asyncio.wait((asking,), timeout=self._service.progress_seconds)
            if done:
                return
            self._dialogue.progress()
            self._flush()

    def _change(
        self, message: MilterMessage, accepted: Accepted, completing: tuple[bytes, ...]
    ) -> None:
        kept = accepted.kept[: len(accepted.kept) - len(completing)]
        for name, occurrence in removals(message.fields, kept):
            self._dialogue.remove_field(name, occurrence)
        for field in completing:
            self._dialogue.add_field(field)
        # Each on top of the one before, so that no MTA's idea of an index is relied on.
        for field in reversed(accepted.added):
            self._dialogue.insert_field(0, field)

    def _refuse(self, refusal: Reply) -> Reply:
        self._dialogue.respond(refusal)
        with contextlib.suppress(StreamClosedError):
            self._flush()
        return refusal

    async def _take_back(self, asking: asyncio.Future[Accepted | Reply]) -> None:
        accepted = await asking
        if isinstance(accepted, Accepted):
            await self._service.desk.take_back(accepted)
