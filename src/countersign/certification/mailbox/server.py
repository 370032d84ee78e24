"""The test mailbox: its sockets, its limits, and what goes on after a session has ended."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections import OrderedDict
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog

from countersign.certification.mailbox.message import Deliver, Knows, Senders
from countersign.certification.mailbox.sender import SenderTests
from countersign.certification.mailbox.session import MailboxSession
from countersign.protocol.server_settings import ServerSettings
from countersign.transport.session import Counting, ListeningService, ServerSession
from countersign.transport.stream import Stream

log = structlog.get_logger()

_REMEMBERED_IDS = 10_000
_MAX_TEXT_LINE = 20_000
"""Octets: longer than the 998 of RFC 5321, as a relay may have written the message anew."""
_MAX_COMMANDS = 200
_MAX_FOLLOWERS = 100
_BACKLOG = 128


class ListenError(Exception):
    """An address cannot be listened on; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may use."""

    connections: int = 100
    """At one time; of one address (IPv6: /64) a tenth of them."""
    size: int = 200_000
    """Octets of a message."""
    recipients: int = 10
    """Of one message."""
    command_seconds: float = 60.0
    """To wait for the client's next octets."""
    session_seconds: float = 600.0
    """For a whole connection."""
    answer_seconds: float = 60.0
    """To wait for whoever keeps the messages."""
    stop_seconds: float = 5.0
    """For what is under way at a stop."""


class _Uncounted:
    """Counts nothing."""

    def connected(self, _service: str, /) -> None: ...

    def disconnected(self, _service: str, /) -> None: ...

    def refusal(self, _reason: str, /) -> None: ...


class TestMailbox(ListeningService):
    """An SMTP server for mail to test addresses. An async context manager.

    It listens when the block begins, and raises :class:`ListenError` if it cannot.
    """

    __test__ = False
    name = "mailbox"

    def __init__(
        self,
        listen: Iterable[str],
        domain: str,
        hostname: str,
        deliver: Deliver,
        knows: Knows,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        senders: Senders | None = None,
        sender_tests: SenderTests | None = None,
        counting: Counting | None = None,
    ) -> None:
        """To be made in an event loop.

        listen: ADDRESS:PORT each, port 0 for any. domain: of the test addresses, in lower case.
        hostname: that it greets with. tls: None: no STARTTLS. senders, sender_tests: both given, it
        takes mail to 's' addresses too.
        """
        self.limits = limits or Limits()
        super().__init__(
            counting or _Uncounted(),
            max_connections=self.limits.connections,
            max_per_network=max(1, self.limits.connections // 10),
        )
        self.domain = domain
        self.hostname = hostname
        self.deliver = deliver
        self.knows = knows
        self.tls = tls
        self.senders = senders if sender_tests is not None else None
        self.sender_tests = sender_tests
        self.server_settings = ServerSettings(
            start_tls=tls is not None,
            verification=True,
            max_text_line=_MAX_TEXT_LINE,
            max_message_size=self.limits.size,
            max_recipients=self.limits.recipients,
            max_commands=_MAX_COMMANDS,
        )
        self.addresses: list[str] = []
        """ADDRESS:PORT of each socket, once it listens."""
        self._listen = tuple(listen)
        self._servers: list[asyncio.Server] = []
        self._followers: set[asyncio.Task[None]] = set()
        self._under_test: set[str] = set()
        self._seen_ids: OrderedDict[bytes, None] = OrderedDict()

    async def __aenter__(self) -> Self:
        try:
            for endpoint in self._listen:
                await self._bind(endpoint)
        except ListenError:
            self._close()
            raise
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        await self.drain(self.limits.stop_seconds)
        for task in self._followers:
            task.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)

    def make_session(self, stream: Stream) -> ServerSession:
        """Return the session of a new connection."""
        return MailboxSession(self, stream)

    # -- tests of senders ----------------------------------------------------------------------

    def begin_test(self, mark: str) -> bool:
        """Note that the test of a mark is being made; False: it is already."""
        if mark in self._under_test or len(self._followers) >= _MAX_FOLLOWERS:
            return False
        self._under_test.add(mark)
        return True

    def end_test(self, mark: str) -> None:
        """Note that it is over."""
        self._under_test.discard(mark)

    def follow(self, mark: str, rest: Coroutine[Any, Any, None]) -> None:
        """Do the rest of a test, which begins when its session has ended."""
        task = asyncio.get_running_loop().create_task(rest)
        self._followers.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._followers.discard(done)
            self.end_test(mark)
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("sending test broke off", exc_info=error)

        task.add_done_callback(ended)

    def is_repeated(self, session_id: str) -> bool:
        """Tell whether a session ID was given before, and remember it."""
        digest = hashlib.blake2b(session_id.encode(), digest_size=16).digest()
        is_repeated = digest in self._seen_ids
        self._seen_ids[digest] = None
        self._seen_ids.move_to_end(digest)
        if len(self._seen_ids) > _REMEMBERED_IDS:
            self._seen_ids.popitem(last=False)
        return is_repeated

    # -- sockets ---------------------------------------------------------------------------------

    async def _bind(self, endpoint: str) -> None:
        if endpoint.startswith("unix:"):
            raise ListenError(f"{endpoint}: it is written ADDRESS:PORT")
        host, _, port = endpoint.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                self.protocol, host.strip("[]"), int(port), backlog=_BACKLOG
            )
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ListenError(f"{endpoint}: {reason}") from error
        self._servers.append(server)
        for one in server.sockets:
            address, number = one.getsockname()[:2]
            self.addresses.append(
                f"[{address}]:{number}" if ":" in address else f"{address}:{number}"
            )

    def _close(self) -> None:
        for server in self._servers:
            server.close()
