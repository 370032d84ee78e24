"""A primary in the test's own process, which does what no real one does when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import Question, soa_answer
from countersign.registry.transfer.asking import make_notify
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.questions import BadQuestionError, read_question
from countersign.registry.transfer.sending import answer_records, steps, whole_zone
from tests.gateway.world import free_port
from tests.registry.replica.zones import WIRE, Zone

Records = Iterable[tuple[bytes, bytes]]


class Primary:
    """Serves a :class:`Zone` with the project's own codec."""

    def __init__(self, zone: Zone, key: TsigKey, address: str = "127.0.0.1") -> None:
        self.zone = zone
        self.key = key
        self.address = address
        self.port = free_port()
        self.transfers: list[str] = []
        """What was asked for: "axfr", "ixfr"."""
        self.tamper: Callable[[Iterator[tuple[bytes, bytes]]], Records] = lambda records: records
        """Changes the records of a transfer, which are signed all the same."""
        self.break_after: int | None = None
        """Messages after which a transfer breaks off."""
        self.pause: float = 0.0
        """Seconds between two messages."""
        self.serving = 0
        """Transfers that are being sent."""
        self.has_ixfr = True
        self.answers_udp = True
        self._server: asyncio.Server | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(self.address, self.port)
        )
        self._server = await asyncio.start_server(self._serve, self.address, self.port)

    async def stop(self) -> None:
        assert self._server is not None
        assert self._transport is not None
        self._server.close()
        self._transport.close()
        for writer in self._writers:
            writer.transport.abort()

    async def notify(self, endpoint: str, key: TsigKey | None = None) -> bytes:
        """Send NOTIFY; return the answer."""
        host, _, port = endpoint.rpartition(":")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _OneAnswer(answer), remote_addr=(host, int(port)), local_addr=(self.address, 0)
        )
        message, _ = make_notify(
            WIRE, self.zone.soa, key or self.key, message_id=4711, now=time.time()
        )
        transport.sendto(message)
        try:
            return await asyncio.wait_for(answer, 2)
        finally:
            transport.close()

    def answer_udp(self, message: bytes) -> bytes | None:
        if not self.answers_udp:
            return None
        try:
            question = self._read(message)
        except BadQuestionError as error:
            return error.answer
        return soa_answer(question, self.zone.soa, time.time())

    def _read(self, message: bytes) -> Question:
        return read_question(
            message, lambda name: self.key if name == self.key.name else None, time.time()
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.serving += 1
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            size = int.from_bytes(await reader.readexactly(2), "big")
            message = await reader.readexactly(size)
            try:
                for number, answer in enumerate(self._messages(self._read(message))):
                    if number == self.break_after:
                        break
                    writer.write(len(answer).to_bytes(2, "big") + answer)
                    await writer.drain()
                    if self.pause:
                        await asyncio.sleep(self.pause)
            except BadQuestionError as error:
                if error.answer is not None:
                    writer.write(len(error.answer).to_bytes(2, "big") + error.answer)
                    await writer.drain()
        writer.close()
        self.serving -= 1
        self._writers.discard(writer)

    def _messages(self, question: Question) -> Iterator[bytes]:
        if question.kind == wire.SOA:
            return iter([soa_answer(question, self.zone.soa, time.time())])
        self.transfers.append("ixfr" if question.kind == wire.IXFR else "axfr")
        return answer_records(question, self.tamper(self._records(question)), time.time)

    def _records(self, question: Question) -> Iterator[tuple[bytes, bytes]]:
        zone = self.zone
        if question.kind == wire.IXFR and self.has_ixfr and question.serial is not None:
            versions = zone.since(question.serial)
            if versions:
                return steps(zone.soa, list(versions))
        return whole_zone(zone.soa, sorted(zone.nodes.items()))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, primary: Primary) -> None:
        self._primary = primary
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self._primary.answer_udp(data)
        if answer is not None:
            self._transport.sendto(answer, addr)


class _OneAnswer(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self._answer.done():
            self._answer.set_result(data)
