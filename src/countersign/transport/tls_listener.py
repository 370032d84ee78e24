"""Accepts connections whose first octets are a TLS handshake (RFC 8314 §3.3).

An event loop's own TLS server tells nobody of a connection before its handshake is done, so
that any number of half-made ones could be held open. Here each is counted from the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

import structlog

from countersign.transport.stream import Stream

log = structlog.get_logger()

HANDSHAKE_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
"""After the system had no descriptor or memory for another connection."""

Admit = Callable[[str], contextlib.ExitStack | None]
"""Called with a client's address: counts its handshake until that is closed; None: no room."""


class TlsListener:
    """Accepts connections of one listening socket, until it is closed."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        *,
        admit: Admit,
        connected: Callable[[Stream], None],
        handshake_timeout: float = HANDSHAKE_SECONDS,
    ) -> None:
        """Begin to accept. ``connected`` is called with each stream that is inside TLS.

        ``handshake_timeout`` in seconds.
        """
        listener.setblocking(False)
        self._listener = listener
        self._context = context
        self._admit = admit
        self._on_connected = connected
        self._timeout = handshake_timeout
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more, and end the handshakes that go on."""
        self._accepting.cancel()
        for handshake in self._handshakes:
            handshake.cancel()
        # The loop must not watch a descriptor that is gone, so this comes after the cancelling.
        self._accepting.add_done_callback(lambda _task: self._listener.close())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, name = await loop.sock_accept(self._listener)
            except OSError as error:
                log.warning("connection not accepted", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            address = str(name[0]).partition("%")[0] if isinstance(name, tuple) else ""
            place = self._admit(address)
            if place is None:
                # Inside TLS there would be room for a word, but not before.
                connection.close()
                continue
            handshake = asyncio.create_task(self._shake_hands(connection, place))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, connection: socket.socket, place: contextlib.ExitStack) -> None:
        def connected(stream: Stream) -> None:
            # From here on the session counts, and nobody is counted twice.
            place.close()
            self._on_connected(stream)

        with place:
            try:
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: Stream(connected),
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=self._timeout,
                    ssl_shutdown_timeout=2,
                )
            except OSError as error:
                log.info("tls handshake failed", reason=str(error))
