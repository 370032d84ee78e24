"""A connection from an MTA that asks whether its users may send (DESIGN §5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from countersign.gateway.milter.ending import NO_RECIPIENTS, Ending
from countersign.gateway.milter.message import MilterMessage
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
from countersign.rules.naming import ForeignDomainError
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
_UNUSABLE_NAME = reply(550, "5.7.1", "The name that you signed in with cannot be used here")
_FOREIGN_DOMAIN = reply(
    550,
    "5.7.1",
    "Names with that domain are not known here: sign in with your name as this server has it "
    "(administrators: sign_in.names, sign_in.domains)",
)


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
            user = self._service.names.user(name)
        except ForeignDomainError:
            self._service.metrics.refusal("foreign-domain")
            return _FOREIGN_DOMAIN
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
            return NO_RECIPIENTS if message is None else message.refusal or NO_RECIPIENTS
        return message.refusal

    async def _on_end_of_message(self, rest: bytes) -> None:
        message, self._message = self._message, None
        if message is None:
            self._dialogue.respond(NO_RECIPIENTS)
            return
        message.add_body(rest)
        message.finish()
        ending = Ending(self._service, self._dialogue, self._flush, self._client_address)
        await ending.decide(message)
