"""A server session: the sans-I/O server dialogue on a real connection.

Every listener for mail is made of these two classes: a session runs one client's dialogue, a
listening service keeps all sessions and their limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from abc import ABC, abstractmethod
from collections import Counter
from typing import Protocol

import structlog

from countersign.protocol.events import Event, Quit, StartTls
from countersign.protocol.reply import Reply, reply
from countersign.protocol.server import OK, ServerDialogue
from countersign.protocol.server_settings import ServerSettings
from countersign.rules.network import network_key
from countersign.transport.conversation import Observe
from countersign.transport.stream import Stream, StreamClosedError

log = structlog.get_logger()

GOODBYE = reply(221, "2.0.0", "Bye")
TIMED_OUT = reply(421, "4.4.2", "Timed out")
SHUTTING_DOWN = reply(421, "4.3.2", "Service is shutting down, try again")
TOO_MANY = reply(421, "4.7.0", "Too many connections, try again later")
INTERNAL = reply(421, "4.3.0", "Internal error, try again later")
_FAREWELL_SECONDS = 5.0
"""That a client has to read the last reply."""


class Counting(Protocol):
    """Told of connections as they come and go."""

    def connected(self, service: str, /) -> None:
        """Count a connection that was accepted."""

    def disconnected(self, service: str, /) -> None:
        """Note that a connection has ended."""

    def refusal(self, reason: str, /) -> None:
        """Count a client that was refused."""


class Session(Protocol):
    """What a listening service asks of a session."""

    deadline: float

    async def run(self) -> None:
        """Run the dialogue to its end; never raises but for cancellation."""

    def leave(self) -> None:
        """End after the current transaction (graceful stop)."""

    def expire(self) -> None:
        """End now: the deadline has passed."""


class ServerSession(ABC):
    """One client's connection. Subclasses answer its events."""

    def __init__(
        self,
        stream: Stream,
        settings: ServerSettings,
        *,
        server_tls: ssl.SSLContext | None,
        command_timeout: float,
    ) -> None:
        """``command_timeout``: seconds to wait for the client's next octets."""
        self.stream = stream
        self.dialogue = ServerDialogue(settings, in_tls=stream.tls() is not None)
        self.client_address, self.client_port = stream.peer()
        self.local_address, self.local_port = stream.local()
        self.deadline = 0.0
        """Event-loop time at which the session is ended; a service looks once a second."""
        self.observe: Observe | None = None
        """Told of all octets of the dialogue, in both directions; those of the handshake not."""
        self._server_tls = server_tls
        self._command_timeout = command_timeout
        self._loop = asyncio.get_running_loop()
        self._leaving = False

    @abstractmethod
    async def greet(self) -> None:
        """Send the greeting."""

    @abstractmethod
    async def handle(self, event: Event) -> None:
        """Answer one event."""

    async def ended(self) -> None:  # noqa: B027 - not every session has something to clean up
        """Clean up: the connection is gone, or about to be."""

    def time_allowed(self) -> float:
        """Return the seconds that the client has for its next octets."""
        return self._command_timeout

    async def run(self) -> None:
        """Run the dialogue to its end; never raises but for cancellation."""
        try:
            await self.greet()
            await self._converse()
            self.flush()
        except StreamClosedError:
            pass
        except Exception:
            log.exception("session failed", client=self.client_address)
            self._say_goodbye(INTERNAL)
        finally:
            with contextlib.suppress(StreamClosedError):
                await self.ended()
            self.stream.close()

    async def _converse(self) -> None:
        while not self.dialogue.closed:
            event = self.dialogue.next_event()
            if event is None:
                if not await self._receive():
                    return
            elif isinstance(event, StartTls):
                await self._start_tls()
            elif isinstance(event, Quit):
                self.dialogue.respond(GOODBYE)
            else:
                await self.handle(event)

    async def _receive(self) -> bool:
        self.flush()
        if self.dialogue.closed:
            return False
        if self._leaving and not self.dialogue.in_transaction:
            self.dialogue.close(SHUTTING_DOWN)
            return False
        self.deadline = self._loop.time() + self.time_allowed()
        if not self.stream.has_input:
            await self.stream.drain()
            self.deadline = self._loop.time() + self.time_allowed()
        data = await self.stream.read()
        self.deadline = 0.0
        if self.observe is not None:
            self.observe(False, data)
        self.dialogue.receive(data)
        return bool(data)

    def flush(self) -> None:
        """Send the replies made so far. Raises :class:`StreamClosedError`."""
        octets = self.dialogue.octets_to_send()
        if octets:
            self.stream.write(octets)
            if self.observe is not None:
                self.observe(True, octets)

    async def _start_tls(self) -> None:
        if self._server_tls is None:
            self.dialogue.respond(reply(454, "4.7.0", "TLS is not available now"))
            return
        self.stream.hold_input()
        self.dialogue.respond(reply(220, "2.0.0", "Ready to start TLS"))
        self.flush()
        try:
            await self.stream.start_tls(self._server_tls, server_side=True)
        except OSError as error:
            log.info("tls handshake failed", client=self.client_address, reason=str(error))
            self.dialogue.close()
            self.stream.abort()
            return
        self.dialogue.tls_started()

    def leave(self) -> None:
        """End after the current transaction (graceful stop)."""
        self._leaving = True
        if self.deadline and not self.dialogue.in_transaction:
            self._say_goodbye(SHUTTING_DOWN)

    def expire(self) -> None:
        """End now: the client has been too slow."""
        self._say_goodbye(TIMED_OUT)

    def _say_goodbye(self, farewell: Reply) -> None:
        self.dialogue.close(farewell)
        with contextlib.suppress(StreamClosedError):
            self.flush()
        self.stream.close()
        # A client that reads nothing would otherwise hold its connection for ever.
        self._loop.call_later(_FAREWELL_SECONDS, self.stream.abort)


class ListeningService(ABC):
    """All sessions of one listener in one worker, with their limits and deadlines."""

    name: str

    def __init__(
        self, metrics: Counting, *, max_connections: int, max_per_network: int | None = None
    ) -> None:
        self.metrics = metrics
        self._max_connections = max_connections
        self._max_per_network = max_per_network
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._handshakes = 0
        self._per_network: Counter[str] = Counter()
        self._watch: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @abstractmethod
    def make_session(self, stream: Stream) -> Session:
        """Return the session of a new connection."""

    def turn_away(self, stream: Stream) -> None:
        """End a connection for which there is no room."""
        stream.write(TOO_MANY.encode())
        stream.close()

    def is_exempt(self, client_address: str) -> bool:
        """Tell whether a client is above the limit for its network."""
        return not client_address

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol object of one accepted connection."""
        return Stream(self.connected)

    async def start(self) -> None:
        """Begin to watch deadlines."""
        self._watch = asyncio.create_task(self._watch_deadlines())

    async def drain(self, timeout: float) -> None:
        """Let sessions finish their transactions, for ``timeout`` seconds at most."""
        for session in list(self._sessions):
            session.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        tasks = list(self._sessions.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._watch is not None:
            self._watch.cancel()

    def admit_handshake(self, address: str) -> contextlib.ExitStack | None:
        """Count a handshake that goes before a session until the stack is closed; None: no room."""
        network = network_key(address) if address else ""
        if not self._has_room(address, network):
            self.metrics.refusal("too-many-connections")
            return None
        self._handshakes += 1
        self._per_network[network] += 1
        counted = contextlib.ExitStack()
        counted.callback(self._handshake_ended, network)
        return counted

    def _handshake_ended(self, network: str) -> None:
        self._handshakes -= 1
        self._leave(network)

    def connected(self, stream: Stream) -> None:
        """Begin a session, or turn the client away if there are too many."""
        address, _ = stream.peer()
        network = network_key(address) if address else ""
        if not self._has_room(address, network):
            self.metrics.refusal("too-many-connections")
            self.turn_away(stream)
            return
        session = self.make_session(stream)
        self._per_network[network] += 1
        self._idle.clear()
        self.metrics.connected(self.name)
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[session] = task
        task.add_done_callback(lambda _task: self._disconnected(session, network))

    def _has_room(self, address: str, network: str) -> bool:
        if len(self._sessions) + self._handshakes >= self._max_connections:
            return False
        if self._max_per_network is None or self.is_exempt(address):
            return True
        return self._per_network[network] < self._max_per_network

    def _disconnected(self, session: Session, network: str) -> None:
        del self._sessions[session]
        self._leave(network)
        self.metrics.disconnected(self.name)
        if not self._sessions:
            self._idle.set()

    def _leave(self, network: str) -> None:
        self._per_network[network] -= 1
        if not self._per_network[network]:
            del self._per_network[network]

    async def _watch_deadlines(self) -> None:
        # One look a second at all sessions is far cheaper than a timer for each command.
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            now = loop.time()
            for session in list(self._sessions):
                if session.deadline and session.deadline < now:
                    session.expire()


__all__ = ["OK", "Counting", "ListeningService", "ServerSession", "Session"]
