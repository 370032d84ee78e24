"""One message of one user on the listener: from an accepted MAIL to the MTA's word.

The MTA is asked about sender and recipients as they come, and gets the content once it is here
as a whole, counted and written down. So nothing is half passed on, and what is acknowledged
has been acknowledged by the MTA.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from countersign.gateway.backend.interface import FATE_UNKNOWN, BackendSession
from countersign.gateway.submission.desk import Desk
from countersign.gateway.submission.incoming import HeaderTooBigError, Incoming
from countersign.gateway.submission.passing import Accepted, Sender, Submitted
from countersign.gateway.submission.spool import SpoolFullError
from countersign.mail.submitted import HeaderFaultError, complete_header
from countersign.protocol.command import Envelope
from countersign.protocol.data import ContentFault
from countersign.protocol.events import EndOfContent
from countersign.protocol.reply import Reply, reply
from countersign.storage.submission.entries import Front

log = structlog.get_logger()

GO_ON = reply(354, "", "End data with <CR><LF>.<CR><LF>")
_NO_ROOM = reply(452, "4.3.1", "No room for the message at the moment, try again later")
_SPOOL_LOST = reply(451, "4.3.0", "The message could not be read back, try again later")
_KEEP_ALIVE_SECONDS = 60.0
"""An MTA waits 300 s for the next command (RFC 5321 §4.5.3.2); an upload may take longer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a transaction comes from."""

    hostname: str
    client_address: str
    received: Callable[[str], bytes]
    """Makes the Received field for a tracking ID."""


class Transaction:
    """One message under way."""

    def __init__(self, desk: Desk, backend: BackendSession, sender: Sender, origin: Origin) -> None:
        """``backend`` has accepted MAIL."""
        self.id = ""
        """Of the tracking stamp, once there is one."""
        self._desk = desk
        self._backend = backend
        self._sender = sender
        self._origin = origin
        self._poison: Reply | None = None
        self._refusal: Reply | None = None
        self._incoming: Incoming | None = None
        self._last_word = time.monotonic()
        self._dot_is_sent = False

    async def add_recipient(self, envelope: Envelope, recipients: int) -> Reply:
        """Answer RCPT. recipients: how many there are with this one.

        One that is beyond a limit spoils the whole message: if the others went out, the user
        would believe that all did, and half of them would have to be found by hand.
        """
        if self._poison is not None:
            return self._poison
        refusal = await self._desk.check_recipients(self._sender, recipients)
        if refusal is not None:
            self._poison = refusal if refusal.is_permanent else None
            return refusal
        return await self._backend.rcpt(envelope)

    def begin_content(self, incoming: Incoming) -> Reply:
        """Answer DATA."""
        if self._poison is not None:
            incoming.close()
            return self._poison
        self._incoming = incoming
        self._last_word = time.monotonic()
        return GO_ON

    async def add_content(self, content: bytes) -> None:
        """Take a piece; what is wrong with it shows at the end."""
        if self._refusal is None and self._incoming is not None:
            try:
                await self._incoming.feed(content)
            except HeaderTooBigError as error:
                self._refuse(reply(552, "5.3.4", str(error)))
            except SpoolFullError:
                self._refuse(_NO_ROOM)
        if time.monotonic() - self._last_word > _KEEP_ALIVE_SECONDS:
            await self._backend.keep_alive()
            self._last_word = time.monotonic()

    async def finish(self, event: EndOfContent, recipients: int) -> Reply:
        """Count the message, pass it on, and return the MTA's word, or why it does not get it."""
        incoming = self._incoming
        if incoming is None:
            raise AssertionError("content without DATA")
        try:
            submitted = self._read(incoming, event, recipients)
            if isinstance(submitted, Reply):
                return submitted
            accepted = await self._desk.accept(submitted)
            if isinstance(accepted, Reply):
                return accepted
            self.id = accepted.id
            return await self._hand_over(accepted, incoming)
        finally:
            incoming.close()

    def close(self) -> None:
        """Forget the message."""
        if self._incoming is not None:
            self._incoming.close()

    def _refuse(self, answer: Reply) -> None:
        self._refusal = answer
        self.close()

    def _read(self, incoming: Incoming, event: EndOfContent, recipients: int) -> Submitted | Reply:
        if event.fault is ContentFault.TOO_BIG:
            return reply(552, "5.3.4", event.fault.value)
        if event.fault is not None:
            return reply(550, "5.6.0", event.fault.value)
        if self._refusal is not None:
            return self._refusal
        incoming.finish()
        try:
            header = complete_header(
                incoming.header,
                hostname=self._origin.hostname,
                unique=secrets.token_hex(16),
                at=datetime.now(UTC),
            )
        except HeaderFaultError as error:
            return reply(550, "5.6.0", str(error))
        return Submitted(
            sender=self._sender,
            client_address=self._origin.client_address,
            recipients=recipients,
            size=event.size,
            header=header,
            body_hash=incoming.body_hash,
            front=Front.LISTENER,
        )

    async def _hand_over(self, accepted: Accepted, incoming: Incoming) -> Reply:
        try:
            answer = await self._pass_on(accepted, incoming)
        except OSError as error:
            log.error("spool not readable", reason=error.strerror)
            await self._backend.abandon()
            answer = _SPOOL_LOST
        except BaseException:
            # Ended from outside. After the dot the MTA may have taken it, and so it counts.
            if not self._dot_is_sent:
                await self._backend.abandon()
                await self._desk.take_back(accepted)
            raise
        if not answer.is_positive and answer is not FATE_UNKNOWN:
            await self._desk.take_back(accepted)
        return answer

    async def _pass_on(self, accepted: Accepted, incoming: Incoming) -> Reply:
        backend = self._backend
        answer = await backend.data()
        if not answer.is_intermediate:
            return answer
        received = self._origin.received(accepted.id)
        await backend.content(b"".join((*accepted.added, received, *accepted.kept, b"\r\n")))
        async for piece in incoming.body.pieces():
            await backend.content(piece)
        self._dot_is_sent = True
        return await backend.end_of_content()
