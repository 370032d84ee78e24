"""Proxy to the MTA behind the gateway, reply by reply (DESIGN §4, Delivery)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass

import structlog

from countersign.gateway.backend.interface import FATE_UNKNOWN, UNAVAILABLE, ClientFacts
from countersign.gateway.backend.settings import Backend as BackendSettings
from countersign.gateway.backend.settings import BackendKind, ClientInformation
from countersign.protocol.command import Envelope
from countersign.protocol.proxy_header import proxy_header
from countersign.protocol.reply import Reply
from countersign.transport.conversation import Conversation, ConversationError, connect

log = structlog.get_logger()

_IDLE_SECONDS = 5.0
"""An MTA's own idle limit is longer by far, so a connection kept this long is alive."""
_IDLE_CONNECTIONS = 50

_PARAMETERS_BY_EXTENSION = {
    "SIZE": ("SIZE",),
    "8BITMIME": ("BODY",),
    "SMTPUTF8": ("SMTPUTF8",),
    "DSN": ("RET", "ENVID", "NOTIFY", "ORCPT"),
}
_ALWAYS = frozenset({"SIZE", "BODY"})


_PIECE = 64 * 1024
"""Octets of content that are sent at one stroke."""


@dataclass(frozen=True, slots=True, eq=False)
class _Idle:
    """A connection between transactions, and the client that the MTA takes it for."""

    since: float
    conversation: Conversation
    client: _Identity


_Identity = tuple[str, str, bool, str]


def _identity(client: ClientFacts) -> _Identity:
    return client.address, client.hello, client.extended, client.login


class ProxyBackend:
    """The MTA behind this gateway."""

    def __init__(self, settings: BackendSettings, own_name: str) -> None:
        self.settings = settings
        self.own_name = own_name
        self.lmtp = settings.kind is BackendKind.LMTP
        self._parameters = _ALWAYS
        self._idle: deque[_Idle] = deque()
        self._probe: asyncio.Task[None] | None = None

    @property
    def parameters(self) -> frozenset[str]:
        """Parameters that the MTA took when it was last connected to."""
        return self._parameters

    def session(self) -> ProxySession:
        """Return a session for one client."""
        return ProxySession(self)

    async def start(self) -> None:
        """Learn the MTA's extensions in the background, until it answers once."""
        self._probe = asyncio.create_task(self._learn())

    async def close(self) -> None:
        """Release idle connections."""
        if self._probe is not None:
            self._probe.cancel()
        while self._idle:
            await self._idle.popleft().conversation.finish()

    async def _learn(self) -> None:
        delay = 1.0
        while True:
            try:
                facts = ClientFacts("127.0.0.1", 0, "127.0.0.1", 0, self.own_name, extended=True)
                await (await self.open(facts)).finish()
            except ConversationError as error:
                log.warning("backend unreachable", address=self.settings.address, why=str(error))
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, 60)

    # -- connections ---------------------------------------------------------------------

    async def open(self, client: ClientFacts) -> Conversation:
        """Return a connection that knows the client. Raises :class:`ConversationError`."""
        while (kept := self._take_idle(client)) is not None:
            if kept.client == _identity(client):
                return kept.conversation
            with contextlib.suppress(ConversationError):
                return await self._introduce(kept.conversation, client)
        conversation = await self._connect(client)
        try:
            _require(await conversation.greeting(), "a connection")
            await self._hello(conversation, self.own_name)
            self._note_extensions(conversation)
            if self._introduces_by_xclient(conversation):
                await self._introduce(conversation, client)
        except ConversationError:
            conversation.stream.abort()
            raise
        return conversation

    def keep(self, conversation: Conversation, client: ClientFacts) -> None:
        """Keep a connection between transactions, for its client or the next one."""
        settings = self.settings
        reusable = self.lmtp or (
            settings.client_information is ClientInformation.NONE
            or self._introduces_by_xclient(conversation)
        )
        if reusable and not conversation.stream.has_input and len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(_Idle(time.monotonic(), conversation, _identity(client)))
        else:
            self._finish_later(conversation)

    def _finish_later(self, conversation: Conversation) -> None:
        with contextlib.suppress(ConversationError):
            conversation.send(conversation.dialogue.quit())
        conversation.stream.close()

    def _take_idle(self, client: ClientFacts) -> _Idle | None:
        """Return a live idle connection, one that knows the client already if there is one."""
        identity = _identity(client)
        while self._idle:
            known = (kept for kept in reversed(self._idle) if kept.client == identity)
            kept = next(known, self._idle[-1])
            self._idle.remove(kept)
            stream = kept.conversation.stream
            is_fresh = time.monotonic() - kept.since < _IDLE_SECONDS
            if is_fresh and not stream.is_closing and not stream.has_input:
                return kept
            self._finish_later(kept.conversation)
        return None

    async def _connect(self, client: ClientFacts) -> Conversation:
        settings = self.settings
        host, _, port = settings.address.rpartition(":")
        is_unix = settings.address.startswith("unix:")
        conversation = await connect(
            host.strip("[]"),
            0 if is_unix else int(port),
            unix_path=settings.address.removeprefix("unix:") if is_unix else "",
            timeout=settings.connect_timeout,
            reply_timeout=settings.reply_timeout,
            lmtp=self.lmtp,
        )
        if settings.client_information is ClientInformation.PROXY:
            server = (client.local_address, client.local_port)
            conversation.send(proxy_header((client.address, client.port), server))
        return conversation

    def _introduces_by_xclient(self, conversation: Conversation) -> bool:
        wanted = self.settings.client_information is ClientInformation.XCLIENT
        return wanted and "XCLIENT" in conversation.extensions

    async def _introduce(self, conversation: Conversation, client: ClientFacts) -> Conversation:
        """Tell the MTA who the client is, in a way that also ends what was before."""
        if not self._introduces_by_xclient(conversation):
            _require(await conversation.command(conversation.dialogue.reset()), "RSET")
            return conversation
        offered = conversation.extensions["XCLIENT"].upper().split()
        known = {
            "NAME": "[UNAVAILABLE]",
            "ADDR": f"IPV6:{client.address}" if ":" in client.address else client.address,
            "PROTO": "ESMTP" if client.extended else "SMTP",
            "HELO": client.hello,
            # What a connection was told of another user must not stay (Postfix: XCLIENT_README).
            "LOGIN": client.login or "[UNAVAILABLE]",
        }
        attributes = {name: known[name] for name in offered if name in known}
        accepted = await conversation.command(conversation.dialogue.xclient(attributes))
        _require(accepted, "XCLIENT")
        await self._hello(conversation, client.hello)
        return conversation

    async def _hello(self, conversation: Conversation, name: str) -> None:
        _require(await conversation.hello(name), "EHLO")

    def _note_extensions(self, conversation: Conversation) -> None:
        self._parameters = frozenset(
            parameter
            for extension, parameters in _PARAMETERS_BY_EXTENSION.items()
            if extension in conversation.extensions
            for parameter in parameters
        ) | {"SIZE"}


class ProxySession:
    """One client's way to the MTA."""

    def __init__(self, backend: ProxyBackend) -> None:
        self.one_recipient = backend.lmtp
        self._backend = backend
        self._conversation: Conversation | None = None
        self._had_errors = False
        self._dirty = False
        """A transaction is open at the MTA."""
        self._failure: ConversationError | None = None
        self._client: ClientFacts | None = None
        self._held = bytearray()
        """Content not sent yet, so that a small message goes out in one piece with its end."""

    async def mail(self, client: ClientFacts, envelope: Envelope) -> Reply:
        """Begin a transaction; connects first if need be."""
        try:
            if self._conversation is None:
                self._conversation = await self._backend.open(client)
                self._client = client
        except ConversationError as error:
            return self._lost(error)
        command = self._conversation.dialogue.mail
        answer = await self._command(command(envelope.raw_path, self._parameters(envelope)))
        self._dirty = answer.is_positive
        return answer

    async def rcpt(self, envelope: Envelope) -> Reply:
        """Add a recipient."""
        if self._conversation is None:
            return UNAVAILABLE
        command = self._conversation.dialogue.rcpt
        return await self._command(command(envelope.raw_path, self._parameters(envelope)))

    async def data(self) -> Reply:
        """Ask to send the content."""
        if self._conversation is None:
            return UNAVAILABLE
        self._failure = None
        self._held.clear()
        return await self._command(self._conversation.dialogue.data(), is_intermediate=True)

    async def content(self, data: bytes) -> None:
        """Pass a piece of the content at the MTA's pace."""
        if self._conversation is None or self._failure is not None:
            return
        self._held += data
        if len(self._held) < _PIECE:
            return
        held = bytes(self._held)
        self._held.clear()
        try:
            await self._conversation.send_content(held)
        except ConversationError as error:
            self._failure = error

    async def end_of_content(self) -> Reply:
        """End the content and return the MTA's verdict."""
        conversation, self._dirty = self._conversation, False
        if conversation is None or self._failure is not None:
            return self._lost(self._failure or ConversationError("no connection"))
        dialogue = conversation.dialogue
        last = dialogue.content(bytes(self._held)) + dialogue.end_of_content()
        self._held.clear()
        try:
            conversation.send(last)
        except ConversationError as error:
            return self._lost(error)
        try:
            return self._noted(await conversation.reply(patience=2), is_intermediate=False)
        except ConversationError as error:
            self._lost(error)
            return FATE_UNKNOWN

    async def keep_alive(self) -> None:
        """Say NOOP to the MTA; trouble shows at the next step."""
        if self._conversation is not None and self._dirty:
            await self._command(self._conversation.dialogue.noop())

    async def abandon(self) -> None:
        """Cut the connection: without the final dot the MTA discards the message."""
        if self._conversation is not None:
            self._conversation.stream.abort()
            self._conversation = None
        self._dirty = False

    async def reset(self) -> None:
        """End the MTA's transaction too."""
        if self._conversation is not None and self._dirty:
            await self._command(self._conversation.dialogue.reset())
            self._dirty = False

    async def close(self) -> None:
        """Give the connection back, or cut it if a transaction is open."""
        conversation, self._conversation = self._conversation, None
        if conversation is None:
            return
        if self._dirty:
            conversation.stream.abort()
        elif (
            self._had_errors
            or conversation.dialogue.replies_due
            or conversation.dialogue.server_left
        ):
            await conversation.finish()
        elif self._client is not None:
            self._backend.keep(conversation, self._client)

    async def _command(self, octets: bytes, *, is_intermediate: bool = False) -> Reply:
        if self._conversation is None:
            return UNAVAILABLE
        try:
            return self._noted(await self._conversation.command(octets), is_intermediate)
        except ConversationError as error:
            return self._lost(error)

    def _noted(self, answer: Reply, is_intermediate: bool) -> Reply:
        """Return a reply that the client may get. Raises :class:`ConversationError`.

        is_intermediate: whether 354 is the good one, and not 250.
        """
        if not (answer.is_transient or answer.is_permanent):
            if answer.is_intermediate != is_intermediate:
                raise ConversationError(f"a reply without sense: {answer}")
            return answer
        # An MTA counts errors by connection: one client's must not be another's.
        self._had_errors = True
        if answer.code == 421:
            self._drop()
        return answer

    def _lost(self, error: ConversationError) -> Reply:
        log.warning("backend lost", address=self._backend.settings.address, why=str(error))
        self._drop()
        return UNAVAILABLE

    def _drop(self) -> None:
        if self._conversation is not None:
            self._conversation.stream.abort()
        self._conversation = None
        self._dirty = False

    def _parameters(self, envelope: Envelope) -> str:
        extensions = self._conversation.extensions if self._conversation is not None else {}
        taken = {
            parameter
            for extension in _PARAMETERS_BY_EXTENSION.keys() & extensions.keys()
            for parameter in _PARAMETERS_BY_EXTENSION[extension]
        }
        return "".join(
            f" {name}" if value is None else f" {name}={value}"
            for name, value in envelope.parameters.items()
            if name in taken
        )


def _require(answer: Reply, what: str) -> None:
    if not answer.is_positive:
        raise ConversationError(f"the backend refused {what}: {answer}")
