"""One connection to a receiver: TLS, and proof of who we are (DESIGN §3.2, §4 Sending)."""

from __future__ import annotations

import secrets
import time

import structlog

from countersign.gateway.parts import Parts
from countersign.protocol.reply import Reply, reply
from countersign.protocol.session_id import make_session_id, random_octets_needed
from countersign.rules.network import canonical
from countersign.storage.tables import OpenSession, TablesUnavailableError
from countersign.transport.conversation import Conversation, ConversationError, connect

log = structlog.get_logger()

NO_TLS = reply(451, "4.7.4", "The receiver offers no TLS, and this host sends by TLS only")
NO_TABLE = reply(451, "4.3.0", "The session table of this host is out of reach")
_UNKNOWN_VERB = (500, 502)


class ReceiverRefusedError(Exception):
    """The receiver will not talk to us; ``answer`` says whether for now or for good."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(str(answer))
        self.answer = answer


class Connection:
    """A connection on which mail may be sent, any number of messages."""

    def __init__(self, parts: Parts, mx_host: str, address: str) -> None:
        self.mx_host = mx_host
        self.address = address
        self.is_verified = False
        self.messages = 0
        """Messages begun on it."""
        self.idle_since = 0.0
        self._parts = parts
        self._session_id = ""
        self._conversation: Conversation | None = None

    @property
    def conversation(self) -> Conversation:
        """The dialogue. Raises :class:`ConversationError` when it has ended."""
        if self._conversation is None:
            raise ConversationError("the connection has ended")
        return self._conversation

    @property
    def is_usable(self) -> bool:
        """False if the receiver has closed it, or has said anything unasked."""
        conversation = self._conversation
        return (
            conversation is not None
            and not conversation.stream.is_closing
            and not conversation.stream.has_input
            and conversation.dialogue.replies_due == 0
            and not conversation.dialogue.server_left
        )

    async def open(self) -> None:
        """Connect, greet, start TLS and prove who we are.

        Raises :class:`ConversationError` if there is no such dialogue to be had, and
        :class:`ReceiverRefusedError` if the receiver refuses.
        """
        try:
            await self._greet()
            if not await self._start_tls():
                # A broken TLS set-up must not cost the mail where TLS is not demanded (RFC 7435).
                self.abort()
                await self._greet()
            if "XSESSIONID" in self.conversation.extensions and self.conversation.dialogue.in_tls:
                await self._prove()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection and forget its session ID."""
        conversation, self._conversation = self._conversation, None
        try:
            if conversation is not None:
                await conversation.finish()
        finally:
            session_id, self._session_id = self._session_id, ""
            if session_id:
                await self._forget(session_id)

    def abort(self) -> None:
        """Cut the connection at once; :meth:`close` is still owed if an ID was given."""
        if self._conversation is not None:
            self._conversation.stream.abort()
            self._conversation = None

    async def _forget(self, session_id: str) -> None:
        try:
            await self._parts.tables.close_session(session_id)
        except TablesUnavailableError as error:
            # The row dies with this process, and with its own time limit.
            log.warning("session row not deleted", reason=str(error))

    async def _greet(self) -> None:
        settings = self._parts.config.sending
        sources = [
            own for own in settings.source_addresses if (":" in own) == (":" in self.address)
        ]
        self._conversation = await connect(
            self.address,
            settings.port,
            local_address=sources[0] if sources else None,
            timeout=settings.connect_timeout,
            reply_timeout=settings.reply_timeout,
        )
        greeting = await self._conversation.greeting()
        if not greeting.is_positive:
            raise ReceiverRefusedError(_as_transient(greeting))
        await self._hello()

    async def _hello(self) -> None:
        answer = await self.conversation.hello(self._parts.config.hostname)
        if not answer.is_positive:
            raise ReceiverRefusedError(answer)

    async def _start_tls(self) -> bool:
        """Return False if the handshake failed and mail may go in clear."""
        is_required = self._parts.config.sending.tls == "required"
        if "STARTTLS" not in self.conversation.extensions:
            if is_required:
                raise ReceiverRefusedError(NO_TLS)
            return True
        try:
            answer = await self.conversation.start_tls(self._parts.client_tls, self.mx_host)
        except ConversationError as error:
            log.info("tls failed", receiver=self.mx_host, reason=str(error))
            if is_required:
                raise
            return False
        if answer.is_positive:
            await self._hello()
        elif is_required:
            raise ReceiverRefusedError(NO_TLS)
        return True

    async def _prove(self) -> None:
        settings = self._parts.config.verification
        length = settings.session_id_length
        octets = secrets.token_bytes(random_octets_needed(length))
        session_id = make_session_id(self._parts.secret, octets, length)
        row = OpenSession(session_id, canonical(self.address), self.mx_host, time.time())
        # From here on the row must be deleted, whether or not storing it succeeds.
        self._session_id = session_id
        try:
            await self._parts.tables.open_session(row)
        except TablesUnavailableError as error:
            raise ReceiverRefusedError(NO_TABLE) from error
        answer = await self.conversation.command(self.conversation.dialogue.session_id(session_id))
        if answer.is_positive:
            self.is_verified = True
        elif answer.code not in _UNKNOWN_VERB:
            raise ReceiverRefusedError(answer)


def _as_transient(greeting: Reply) -> Reply:
    """Read a 5yz greeting as 'not this host': the next one may take the mail (RFC 5321 §5.1)."""
    if greeting.is_permanent:
        return Reply(451, greeting.lines, "4.3.0")
    return greeting
