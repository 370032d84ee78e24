"""A line to one address by UDP: what a NOTIFY goes out by, and a question for a serial."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Sequence
from typing import cast

_WAITING = 16
"""Datagrams that wait to be read; others are dropped."""


class Line(asyncio.DatagramProtocol):
    """Datagrams to and from one address; the kernel keeps out those of others."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._received: asyncio.Queue[bytes | OSError] = asyncio.Queue(_WAITING)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Neither asyncio's nor uvloop's is an instance of what it is.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep a datagram until it is read."""
        with contextlib.suppress(asyncio.QueueFull):
            self._received.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """Keep what the network says, e.g. that nothing listens there."""
        if isinstance(exc, OSError):
            with contextlib.suppress(asyncio.QueueFull):
                self._received.put_nowait(exc)

    def send(self, message: bytes) -> None:
        """Send a message."""
        assert self._transport is not None
        self._transport.sendto(message)

    async def receive(self) -> bytes:
        """Return the next message. Raises :class:`OSError`."""
        received = await self._received.get()
        if isinstance(received, OSError):
            raise received
        return received

    def close(self) -> None:
        """End."""
        if self._transport is not None:
            self._transport.close()


@contextlib.asynccontextmanager
async def open_line(endpoint: str, sources: Sequence[str] = ()) -> AsyncIterator[Line]:
    """Give a line to ADDRESS:PORT.

    sources: our own addresses. A secondary may know us by the one that we listen on, so it comes
    from there where that can be. Raises :class:`OSError`.
    """
    address, port = split_endpoint(endpoint)
    source = source_for(address, sources)
    loop = asyncio.get_running_loop()
    _, line = await loop.create_datagram_endpoint(
        Line,
        remote_addr=(address, port),
        local_addr=None if source is None else (source, 0),
    )
    try:
        yield line
    finally:
        line.close()


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Return the address, without brackets, and the port."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def source_for(address: str, sources: Sequence[str]) -> str | None:
    """Return which of our addresses to speak from; None: the kernel decides."""
    target = ipaddress.ip_address(address)
    for text in sources:
        own = ipaddress.ip_address(text)
        is_alike = own.version == target.version and own.is_loopback == target.is_loopback
        if is_alike and not own.is_unspecified:
            return text
    return None
