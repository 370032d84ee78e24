"""Takes NOTIFY (RFC 1996), over UDP and TCP: from primaries' addresses, with our TSIG key only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from dns.rcode import Rcode

from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.settings import split_endpoint
from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import Question, acknowledge, refuse
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import (
    MAX_QUESTION,
    BadQuestionError,
    read_question,
)

log = structlog.get_logger()

MAX_PER_SECOND = 200
"""Messages whose signatures are looked at; what is more is dropped unread."""
MAX_CONNECTIONS = 20
CONNECTION_SECONDS = 5.0
QUIET_SECONDS = 60.0
"""For which no more is said of what is sent in the name of one primary."""

OnNotify = Callable[[str, int | None], None]
"""Called with the sender's address and the serial that it names."""
Count = Callable[[str], None]


class NotifyListener:
    """Listens on some addresses."""

    def __init__(
        self,
        zone: bytes,
        key: TsigKey,
        primaries: Sequence[str],
        on_notify: OnNotify,
        count: Count,
    ) -> None:
        """zone: its name in wire format. primaries: their addresses. count: gets an outcome."""
        self._zone = zone
        self._key = key
        self._primaries = {plain_address(one) for one in primaries}
        self._on_notify = on_notify
        self._count = count
        self._second = 0
        self._in_second = 0
        self._connections = 0
        self._quiet_until: dict[str, float] = {}
        self._open: list[asyncio.BaseTransport | asyncio.Server] = []

    async def start(self, endpoints: Sequence[str]) -> list[str]:
        """Listen; return the endpoints as they are. Raises :class:`ReplicaError`."""
        return [await self._listen(endpoint) for endpoint in endpoints]

    async def stop(self) -> None:
        """Listen no more."""
        for one in self._open:
            one.close()

    async def _listen(self, endpoint: str) -> str:
        loop = asyncio.get_running_loop()
        host, port = split_endpoint(endpoint)
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, port)
            )
            self._open.append(transport)
            port = int(transport.get_extra_info("sockname")[1])
            self._open.append(await asyncio.start_server(self._on_connection, host, port))
        except OSError as error:
            text = f"notify_listen {endpoint}: {error.strerror}"
            raise ReplicaError(Fault.LOCAL, text) from error
        return f"{f'[{host}]' if ':' in host else host}:{port}"

    def answer(self, message: bytes, address: str) -> bytes | None:
        """Return what a message is answered with; None: it is dropped."""
        if plain_address(address) not in self._primaries:
            self._count("stranger")
            return None
        if not self._has_time():
            self._count("too-many")
            return None
        now = time.time()
        try:
            question = read_question(message, self._find_key, now)
        except BadQuestionError as error:
            self._count("bad")
            self._say(address, str(error))
            return error.answer
        return self._answer_question(question, address, now)

    def _answer_question(self, question: Question, address: str, now: float) -> bytes:
        if question.opcode != wire.NOTIFY or question.kind != wire.SOA:
            self._count("bad")
            return refuse(question, Rcode.REFUSED, now)
        if question.name != self._zone:
            self._count("other-zone")
            return refuse(question, Rcode.NOTAUTH, now)
        self._count("taken")
        self._on_notify(address, question.serial)
        return acknowledge(question, now)

    def _say(self, address: str, reason: str) -> None:
        # Anybody can send datagrams in a primary's name, and would fill the log.
        now = time.monotonic()
        if now >= self._quiet_until.get(address, 0.0):
            self._quiet_until[address] = now + QUIET_SECONDS
            log.warning("NOTIFY not taken", primary=address, reason=reason)

    def _find_key(self, name: str) -> TsigKey | None:
        return self._key if name == self._key.name else None

    def _has_time(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= MAX_PER_SECOND

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        address = str(writer.get_extra_info("peername")[0])
        self._connections += 1
        try:
            if self._connections > MAX_CONNECTIONS or plain_address(address) not in self._primaries:
                self._count("stranger")
                return
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                async with asyncio.timeout(CONNECTION_SECONDS):
                    await self._serve(reader, writer, address)
        finally:
            self._connections -= 1
            writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            if size > MAX_QUESTION:
                return
            answer = self.answer(await reader.readexactly(size), address)
            if answer is None:
                return
            writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener: NotifyListener) -> None:
        self._listener = listener
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        answer = self._listener.answer(data, str(addr[0]))
        if answer is not None:
            self._transport.sendto(answer, addr)

    def error_received(self, exc: Exception) -> None:
        """Pass over a host that cannot be reached: that is its own affair."""


def plain_address(address: str) -> str:
    """Return an address in one form: without a scope, and not IPv4 within IPv6."""
    plain = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(plain, "ipv4_mapped", None)
    return str(mapped or plain)
