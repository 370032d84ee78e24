"""Connections to the server under test: recorded, one at a time, and never in a hurry."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from countersign.certification.judge import Tls
from countersign.certification.said import Said, Trouble, is_accepted
from countersign.certification.settings import Battery
from countersign.certification.standpoint import Standpoint
from countersign.certification.transcript import Transcript
from countersign.certification.troubles import trouble_of
from countersign.transport.conversation import Conversation, ConversationError

__all__ = ["Caller", "Session", "trouble_of"]


class Session:
    """One connection. What goes wrong is a value here, not an exception."""

    def __init__(
        self,
        conversation: Conversation,
        transcript: Transcript,
        settings: Battery,
        source: str = "",
    ) -> None:
        """source: local address that was chosen; empty: by the system."""
        self.source = source
        self._conversation = conversation
        self._transcript = transcript
        self._hello = settings.hello
        self._about = settings.about
        self._timeout = settings.timeout
        conversation.observe = transcript.observe

    @property
    def extensions(self) -> Mapping[str, str]:
        """EHLO keywords of the server."""
        return self._conversation.extensions

    @property
    def is_usable(self) -> bool:
        """Tell whether another command may be sent."""
        conversation = self._conversation
        return not (
            conversation.stream.is_closing
            or conversation.stream.has_input
            or conversation.dialogue.server_left
        )

    async def open(self, tls_host: str | None) -> Said:
        """Come as far as EHLO, inside TLS if a host is named; return the last reply."""
        said = await self.greeting()
        if is_accepted(said):
            said = await self.hello()
        if tls_host is not None and is_accepted(said):
            said = await self.start_tls(tls_host)
            if is_accepted(said):
                said = await self.hello()
        return said

    async def greeting(self) -> Said:
        """Wait for the greeting."""
        return await self._answer(b"")

    async def hello(self) -> Said:
        """Say EHLO, and the first time who is testing."""
        said = await self._answer(self._conversation.dialogue.hello(self._hello))
        if self._about and is_accepted(said):
            about, self._about = self._about, ""
            # For the server's log; what is answered is of no account (RFC 5321 §4.1.1.9).
            await self.ask(f"NOOP see {about}")
        return said

    async def ask(self, command: str) -> Said:
        """Send a command as it is written, and return the reply.

        Raises :class:`ValueError` for more than one line.
        """
        if "\r" in command or "\n" in command:
            raise ValueError("a line ending inside a command")
        octets = command.encode("utf-8") + b"\r\n"
        return await self._answer(self._conversation.dialogue.raw(octets))

    async def ask_for_content(self) -> Said:
        """Say DATA; after an intermediate reply :meth:`send_content` must follow."""
        return await self._answer(self._conversation.dialogue.data())

    async def send_content(self, content: bytes) -> Said:
        """Send a short message, lines of which end with CRLF, and return the reply to it."""
        dialogue = self._conversation.dialogue
        return await self._answer(dialogue.content(content) + dialogue.end_of_content())

    async def send(self, octets: bytes, *, replies: int = 1) -> Said:
        """Send octets as they are, whatever the protocol says; return the first reply to them.

        ``replies``: how many may come; more are trouble.
        """
        return await self._answer(self._conversation.dialogue.raw(octets, replies=replies))

    async def next_reply(self) -> Said:
        """Wait for one more reply to what was sent."""
        return await self._answer(b"")

    async def quit(self) -> Said:
        """Say QUIT, also to a server that may have left by now, and return the next reply."""
        with contextlib.suppress(ConversationError):
            self._conversation.send(self._conversation.dialogue.quit())
        return await self.next_reply()

    def expect_reply(self) -> None:
        """Let one more reply come than commands were sent."""
        self._conversation.dialogue.raw(b"")

    async def begin_tls(self, host: str) -> Trouble | None:
        """Do the handshake before anything is said (RFC 8314 §3.3); tell what went wrong."""
        try:
            self._conversation.dialogue.tls_started()
            async with asyncio.timeout(self._timeout):
                await self._conversation.stream.start_tls(
                    _CONTEXT, server_side=False, server_hostname=host
                )
        except (OSError, TimeoutError) as error:
            failure = ConversationError("no TLS")
            failure.__cause__ = error
            return self._trouble(failure)
        self._note_tls()
        return None

    async def start_tls(self, host: str, *, injected: bytes = b"") -> Said:
        """Say STARTTLS, with octets behind it if given, and do the handshake if it is accepted.

        Afterwards :meth:`tls` tells whether the connection is inside TLS.
        """
        try:
            said: Said = await self._conversation.start_tls(_CONTEXT, host, injected=injected)
        except ConversationError as error:
            return self._trouble(error)
        self._note_tls()
        return said

    def tls(self) -> Tls | None:
        """Return what was agreed; None outside TLS."""
        if not self._conversation.dialogue.in_tls or self._conversation.stream.is_closing:
            return None
        tls = self._conversation.stream.tls()
        cipher = tls.cipher() if tls is not None else None
        return None if tls is None or cipher is None else Tls(tls.version() or "?", cipher[0])

    def certificate(self) -> bytes | None:
        """Return the server's certificate in DER; None outside TLS, or if it shows none."""
        tls = self._conversation.stream.tls() if self.tls() is not None else None
        return None if tls is None else tls.getpeercert(binary_form=True)

    def _note_tls(self) -> None:
        if (tls := self.tls()) is not None:
            self._transcript.note(f"TLS handshake: {tls.version}, {tls.cipher}")

    async def finish(self) -> None:
        """Say QUIT if there is anybody to hear it, and close."""
        await self._conversation.finish()

    def drop(self) -> None:
        """Close at once."""
        self._conversation.stream.abort()

    async def _answer(self, octets: bytes) -> Said:
        try:
            if octets:
                return await self._conversation.command(octets)
            return await self._conversation.reply()
        except ConversationError as error:
            return self._trouble(error)

    def _trouble(self, error: ConversationError) -> Trouble:
        self._conversation.stream.abort()
        trouble = trouble_of(error)
        self._transcript.note(f"the server {trouble.value}")
        return trouble


@dataclass(slots=True)
class Caller:
    """Opens connections to one address, with a pause between them."""

    address: str
    host: str
    settings: Battery
    transcript: Transcript
    standpoint: Standpoint
    _has_called: bool = False

    async def call(self, port: int = 0, *, source: str = "") -> Session | Trouble:
        """Connect to the mail port, or another; the greeting is not read yet.

        source: local address to connect from; empty: the next one in turn.
        """
        settings = self.settings
        port = port or settings.port
        if self._has_called and settings.pause:
            # Politeness: many servers count connections, and no event tells when they forget.
            await asyncio.sleep(settings.pause)
        self._has_called = True
        source = source or self.standpoint.next_source(self.address)
        self.transcript.note(f"connecting to {self.address}, port {port}")
        try:
            conversation = await self.standpoint.connect(
                self.address, port, timeout=settings.timeout, source=source
            )
        except ConversationError as error:
            trouble = trouble_of(error)
            self.transcript.note(f"the server {trouble.value}")
            return trouble
        return Session(conversation, self.transcript, settings, source)

    async def call_and_greet(self, *, in_tls: bool, source: str = "") -> Session | Said:
        """Connect, and say EHLO, inside TLS if wanted; what went wrong if that fails."""
        session = await self.call(source=source)
        if isinstance(session, Trouble):
            return session
        try:
            said = await session.open(self.host if in_tls else None)
        except BaseException:
            session.drop()
            raise
        if is_accepted(said):
            return session
        await session.finish()
        return said


def _tls_context() -> ssl.SSLContext:
    """Return a context that agrees to anything, so that what is agreed can be judged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


_CONTEXT = _tls_context()
