"""The sockets: UDP and TCP on each address, and the limits on who comes there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Iterable

import structlog

from countersign.registrar.opening import OpeningError
from countersign.registrar.primary.connection import READ_BUFFER, Connection, Desk
from countersign.registrar.primary.limits import Place, Places, RateLimit, client_of
from countersign.registrar.primary.line import split_endpoint

log = structlog.get_logger()

_BACKLOG = 256
_DATAGRAMS = 64
"""That are answered before anybody else has a turn."""
_DATAGRAM_SIZE = 4096
_CONTROL = 128
"""Octets of what the kernel says of a datagram: which of our addresses it came to."""
_TRIES = 20
_IP_PKTINFO: int = getattr(socket, "IP_PKTINFO", 8)
"""Python has no name for it before 3.14; the number is Linux's."""


class Sockets:
    """Bound sockets, a pair for each endpoint."""

    def __init__(self) -> None:
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        """(TCP, UDP)."""

    @property
    def addresses(self) -> list[str]:
        """ADDRESS:PORT of each pair."""
        return [_written(tcp) for tcp, _ in self.pairs]

    def bind(self, endpoints: Iterable[str]) -> None:
        """Bind all. Raises :class:`OpeningError`."""
        for endpoint in endpoints:
            if endpoint.startswith("unix:"):
                raise OpeningError(f"primary.listen {endpoint}: it is written ADDRESS:PORT")
            try:
                self.pairs.append(_pair(*split_endpoint(endpoint)))
            except OSError as error:
                raise OpeningError(_advice(endpoint, error)) from error

    def close(self) -> None:
        """Close all."""
        for pair in self.pairs:
            for one in pair:
                one.close()
        self.pairs.clear()


class Serving:
    """Takes questions at the sockets."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        settings = desk.office.config.primary
        # Whoever forges a secondary's address in datagrams must not stop its connections.
        self._datagrams = RateLimit(settings.requests_per_second)
        self._places = Places(settings.connections)
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._readers: list[socket.socket] = []

    async def start(self, sockets: Sockets) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        for tcp, udp in sockets.pairs:
            loop.add_reader(udp, self._read_datagrams, udp)
            self._readers.append(udp)
            self._servers.append(
                await asyncio.start_server(
                    self._serve, sock=tcp.dup(), limit=READ_BUFFER, backlog=_BACKLOG
                )
            )

    async def stop(self) -> None:
        """End, connections too."""
        for udp in self._readers:
            asyncio.get_running_loop().remove_reader(udp)
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- TCP ---------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("peername")
        if not name:
            writer.transport.abort()
            return
        address = str(name[0])
        place = Place(client_of(address), writer.transport.abort)
        if not self._places.admit(place):
            self._desk.metrics.question("no room")
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)

        def know() -> None:
            place.is_known = True

        try:
            await Connection(self._desk, reader, writer, address=address, know=know).serve()
        except asyncio.CancelledError:
            # We stop. It ends here: asyncio would complain of a task that was cancelled.
            writer.transport.abort()
        except Exception as error:
            log.error("connection ended by a fault", reason=repr(error)[:200])
        finally:
            await self._close(writer)
            self._tasks.discard(task)
            self._places.leave(place)

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        """Close a connection; what the other side does not take in time is thrown away."""
        writer.close()
        try:
            async with asyncio.timeout(self._desk.office.config.primary.idle_seconds):
                await writer.wait_closed()
        except OSError:
            return
        except (TimeoutError, asyncio.CancelledError):
            writer.transport.abort()

    # -- UDP ---------------------------------------------------------------------------------

    def _read_datagrams(self, udp: socket.socket) -> None:
        for _ in range(_DATAGRAMS):
            try:
                message, control, _, sender = udp.recvmsg(_DATAGRAM_SIZE + 1, _CONTROL)
            except OSError as error:
                # Errors of earlier answers come here too, e.g. that nobody takes them.
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    return
                continue
            if len(message) <= _DATAGRAM_SIZE:
                self._answer_datagram(udp, message, control, sender)

    def _answer_datagram(
        self,
        udp: socket.socket,
        message: bytes,
        control: list[tuple[int, int, bytes]],
        sender: tuple[str, int],
    ) -> None:
        if self._datagrams.take(client_of(sender[0]), time.monotonic()):
            self._desk.metrics.question("limited")
            return
        try:
            answer = self._desk.answering.over_udp(message, sender[0])
        except Exception as error:
            log.error("datagram not answered because of a fault", reason=repr(error)[:200])
            return
        if answer is None:
            return
        with contextlib.suppress(OSError):
            udp.sendmsg([answer], _from_same(control), 0, sender)


def _from_same(control: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Return what makes an answer come from the address that was asked, of several."""
    for level, kind, data in control:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            # Index of the interface, address of ours, address in the header; the first is left
            # open, so that routing decides.
            return [(level, kind, bytes(4) + data[4:8] + bytes(4))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, data)]
    return []


def _pair(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind TCP and UDP; port 0: one that is free for both. Raises :class:`OSError`."""
    tries = 1 if port else _TRIES
    while True:
        tries -= 1
        tcp = _bound(address, port, socket.SOCK_STREAM)
        try:
            return tcp, _bound(address, tcp.getsockname()[1], socket.SOCK_DGRAM)
        except OSError as error:
            tcp.close()
            if not tries or error.errno != errno.EADDRINUSE:
                raise


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _written(bound: socket.socket) -> str:
    address, port = bound.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _advice(endpoint: str, error: OSError) -> str:
    advice = {
        errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE",
        errno.EADDRINUSE: "another program listens there: stop it, or choose another port",
        errno.EADDRNOTAVAIL: "this host has no such address",
    }.get(error.errno or 0, "check the setting")
    return f"primary.listen {endpoint}: {error.strerror or error}; {advice}"
