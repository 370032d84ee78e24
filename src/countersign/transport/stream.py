"""A byte stream over a socket: reading with a bound, writing with back-pressure, TLS.

Smaller than asyncio's own streams because a mail dialogue needs less, and stricter in one
thing: nothing read before STARTTLS can be read after it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

READ_HIGH_WATER = 256 * 1024
"""Octets that may wait to be read before the peer is made to wait."""


class StreamClosedError(ConnectionError):
    """The connection has ended."""


class Stream(asyncio.Protocol):
    """One connection. ``on_connect`` is called when it is there (for servers)."""

    def __init__(self, on_connect: Callable[[Stream], None] | None = None) -> None:
        self._on_connect = on_connect
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._paused_reading = False
        self._paused_writing = False
        self._ended = False
        self._lost = False
        self._upgrading = False

    # -- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; also called with the TLS transport after an upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        if self._on_connect is not None and not self._upgrading:
            self._on_connect(self)

    def data_received(self, data: bytes) -> None:
        """Keep octets until they are read."""
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting > READ_HIGH_WATER and not self._paused_reading:
            self._paused_reading = True
            self._connected().pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """End reading; the transport closes, as half-closed mail connections have no use."""
        self._ended = True
        self._wake_reader()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits."""
        self._ended = self._lost = True
        self._wake_reader()
        self._wake_writer()

    def pause_writing(self) -> None:
        """Note that the peer reads more slowly than we write."""
        self._paused_writing = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._paused_writing = False
        self._wake_writer()

    # -- the application's side -------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """True when nothing can be sent any more."""
        return self._lost or self._transport is None or self._transport.is_closing()

    @property
    def has_input(self) -> bool:
        """True when octets, or the peer's end, wait to be read."""
        return bool(self._chunks) or self._ended

    def peer(self) -> tuple[str, int]:
        """Return the peer's (address, port); ('', 0) for a unix socket."""
        return self._name("peername")

    def local(self) -> tuple[str, int]:
        """Return our own (address, port); ('', 0) for a unix socket."""
        return self._name("sockname")

    def tls(self) -> ssl.SSLObject | None:
        """Return the TLS object once the connection is inside TLS."""
        return cast("ssl.SSLObject | None", self._connected().get_extra_info("ssl_object"))

    async def read(self) -> bytes:
        """Return what has been received, at least one octet; ``b''`` at the peer's end."""
        while not self._chunks and not self._ended:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._waiting = 0
        if self._paused_reading and not self._lost:
            self._paused_reading = False
            self._connected().resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Send octets, or buffer them. Raises :class:`StreamClosedError`."""
        if self.is_closing:
            raise StreamClosedError("the connection is closed")
        self._connected().write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken enough. Raises :class:`StreamClosedError`."""
        while self._paused_writing and not self._lost:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._writer
            finally:
                self._writer = None
        if self._lost:
            raise StreamClosedError("the connection is closed")

    def hold_input(self) -> None:
        """Stop reading and forget what was read: to be called before the 220 to STARTTLS."""
        self._connected().pause_reading()
        self._paused_reading = True
        self._chunks.clear()
        self._waiting = 0

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None
    ) -> None:
        """Upgrade the connection. Raises :class:`OSError`, of which SSLError is a kind."""
        self._chunks.clear()
        self._waiting = 0
        self._paused_reading = False
        self._upgrading = True
        loop = asyncio.get_running_loop()
        upgraded = await loop.start_tls(
            self._connected(),
            self,
            context,
            server_side=server_side,
            server_hostname=server_hostname,
            ssl_handshake_timeout=30,
            ssl_shutdown_timeout=2,
        )
        if upgraded is None:
            raise StreamClosedError("the peer left during the TLS handshake")
        self._transport = upgraded

    def close(self) -> None:
        """Close once everything written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- inside ------------------------------------------------------------------------------

    def _connected(self) -> asyncio.Transport:
        if self._transport is None:
            raise StreamClosedError("not connected")
        return self._transport

    def _name(self, key: str) -> tuple[str, int]:
        name: Any = self._connected().get_extra_info(key)
        return (
            (str(name[0]).partition("%")[0], int(name[1])) if isinstance(name, tuple) else ("", 0)
        )

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _wake_writer(self) -> None:
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)
