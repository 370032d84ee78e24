"""A client conversation: the sans-I/O client dialogue on a real connection.

Used for callbacks, for the backend, and for sending. Every wait is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Mapping

from countersign.protocol.client import Answer, ClientDialogue, Sent, UnaskedReplyError
from countersign.protocol.reply import Reply, ReplySyntaxError
from countersign.transport.stream import Stream, StreamClosedError

Observe = Callable[[bool, bytes], None]
"""Called with whether octets were sent, else received; and the octets."""


class ConversationError(ConnectionError):
    """The connection failed, timed out, or the peer does not speak the protocol.

    The cause is a :class:`TimeoutError`, an :class:`OSError` (SSLError for TLS), a
    :class:`~countersign.protocol.reply.ReplySyntaxError`, or None where the server closed.
    """


class Conversation:
    """A dialogue with one server. One coroutine at a time may use it."""

    def __init__(self, stream: Stream, *, lmtp: bool, reply_timeout: float) -> None:
        """``reply_timeout`` in seconds, for each reply."""
        self.stream = stream
        self.dialogue = ClientDialogue(lmtp=lmtp)
        self.observe: Observe | None = None
        """Told of all octets of the dialogue, in both directions; those of the handshake not."""
        self._timeout = reply_timeout
        self._answers: deque[Answer] = deque()

    @property
    def extensions(self) -> Mapping[str, str]:
        """EHLO keywords of the server."""
        return self.dialogue.extensions

    async def greeting(self) -> Reply:
        """Wait for the server's greeting. Raises :class:`ConversationError`."""
        return await self.reply()

    async def hello(self, name: str) -> Reply:
        """EHLO (LHLO), or HELO where EHLO is unknown. Raises :class:`ConversationError`."""
        answer = await self.command(self.dialogue.hello(name))
        if answer.is_permanent and not self.dialogue.lmtp:
            answer = await self.command(self.dialogue.hello(name, extended=False))
        return answer

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str | None, *, injected: bytes = b""
    ) -> Reply:
        """STARTTLS and the handshake; the reply is not positive if the server refused.

        ``injected``: octets sent in clear right behind the command, as an attacker would; for
        tests of servers. Raises :class:`ConversationError`, also when the handshake fails.
        """
        answer = await self.command(self.dialogue.start_tls() + injected)
        if not answer.is_positive:
            return answer
        try:
            self.dialogue.tls_started()
            self._refuse_injected_octets()
            async with asyncio.timeout(self._timeout):
                await self.stream.start_tls(
                    context, server_side=False, server_hostname=server_hostname
                )
        except (OSError, ReplySyntaxError, TimeoutError) as error:
            self.stream.abort()
            raise ConversationError(f"TLS handshake failed: {_words(error)}") from error
        return answer

    def _refuse_injected_octets(self) -> None:
        if self.stream.has_input:
            raise UnaskedReplyError("octets in clear before the handshake")

    async def command(self, octets: bytes) -> Reply:
        """Send a command and return its reply. Raises :class:`ConversationError`."""
        self.send(octets)
        return await self.reply()

    def send(self, octets: bytes) -> None:
        """Send without waiting. Raises :class:`ConversationError`."""
        try:
            self.stream.write(octets)
        except StreamClosedError as error:
            raise ConversationError("the server closed the connection") from error
        if self.observe is not None:
            self.observe(True, octets)

    async def send_content(self, content: bytes) -> None:
        """Send a piece of content, at the server's pace. Raises :class:`ConversationError`."""
        try:
            self.stream.write(self.dialogue.content(content))
            async with asyncio.timeout(self._timeout):
                await self.stream.drain()
        except (StreamClosedError, TimeoutError) as error:
            self.stream.abort()
            raise ConversationError("the server stopped taking the message") from error

    async def reply(self, *, patience: float = 1) -> Reply:
        """Return the next reply due. ``patience`` multiplies the time-out.

        Raises :class:`ConversationError`; the connection is then gone.
        """
        if not self._answers:
            try:
                async with asyncio.timeout(self._timeout * patience):
                    await self._receive()
            except TimeoutError as error:
                self.stream.abort()
                raise ConversationError("the server did not answer in time") from error
        return self._answers.popleft().reply

    async def _receive(self) -> None:
        while not self._answers:
            data = await self.stream.read()
            if not data:
                raise ConversationError("the server closed the connection")
            if self.observe is not None:
                self.observe(False, data)
            try:
                self._answers.extend(self.dialogue.receive(data))
            except ReplySyntaxError as error:
                self.stream.abort()
                raise ConversationError(str(error)) from error

    async def finish(self) -> None:
        """QUIT without waiting for long, and close; never raises."""
        with contextlib.suppress(ConnectionError):
            if not self.stream.is_closing and self.dialogue.replies_due == 0:
                self.send(self.dialogue.quit())
        self.stream.close()


async def connect(
    address: str,
    port: int,
    *,
    local_address: str | None = None,
    timeout: float,
    reply_timeout: float,
    lmtp: bool = False,
    unix_path: str = "",
) -> Conversation:
    """Connect to a server by TCP, or by ``unix_path``; the greeting is not read yet.

    Times in seconds. Raises :class:`ConversationError`.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            if unix_path:
                _, stream = await loop.create_unix_connection(Stream, unix_path)
            else:
                local = (local_address, 0) if local_address else None
                _, stream = await loop.create_connection(Stream, address, port, local_addr=local)
    except (OSError, TimeoutError) as error:
        raise ConversationError(f"no connection: {_words(error)}") from error
    return Conversation(stream, lmtp=lmtp, reply_timeout=reply_timeout)


def _words(error: BaseException) -> str:
    return "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


__all__ = ["Conversation", "ConversationError", "Observe", "Sent", "connect"]
