"""Asks a primary for the zone's serial: one signed question over UDP, or TCP where UDP fails."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import Any

from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.settings import split_endpoint
from countersign.registry.transfer import wire
from countersign.registry.transfer.asking import (
    SoaAnswer,
    TransferError,
    make_question,
    read_soa_answer,
)
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.signature import TsigError

TRIES = 3
"""Datagrams that are sent at most: one may get lost."""


class SerialAsker:
    """Asks for one zone's SOA record."""

    def __init__(self, zone: bytes, key: TsigKey | None, source: str, timeout: float) -> None:
        """zone: in wire format. source: a local address or empty. timeout: seconds, of each way."""
        self._zone = zone
        self._key = key
        self._source = (source, 0) if source else None
        self._timeout = timeout

    async def ask(self, endpoint: str) -> SoaAnswer:
        """Return what a primary has. Raises :class:`ReplicaError`."""
        try:
            return await self._ask_over_udp(endpoint)
        except _UseTcpError:
            return await self._ask_over_tcp(endpoint)

    async def _ask_over_udp(self, endpoint: str) -> SoaAnswer:
        answers: asyncio.Queue[bytes | OSError] = asyncio.Queue(maxsize=100)
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Answers(answers),
                remote_addr=split_endpoint(endpoint),
                local_addr=self._source,
            )
        except OSError as error:
            raise _unreachable(error) from error
        try:
            return await self._exchange(transport, answers)
        finally:
            transport.close()

    async def _exchange(
        self, transport: asyncio.DatagramTransport, answers: asyncio.Queue[bytes | OSError]
    ) -> SoaAnswer:
        question, id_ = self._question()
        fault: ReplicaError | None = None
        for _ in range(TRIES):
            transport.sendto(question[0])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout / TRIES):
                    while True:
                        found = await answers.get()
                        if isinstance(found, OSError):
                            raise _unreachable(found)
                        if found[:2] != id_:
                            continue
                        if is_truncated(found):
                            raise _UseTcpError
                        # Anybody can send a datagram in the primary's name: a bad one is passed
                        # over, and only tells why, if no good one follows.
                        try:
                            return self._read(question, found)
                        except ReplicaError as error:
                            fault = error
                            if error.fault is not Fault.UNSIGNED:
                                raise
        if fault is not None:
            raise fault
        raise _UseTcpError

    async def _ask_over_tcp(self, endpoint: str) -> SoaAnswer:
        host, port = split_endpoint(endpoint)
        question, _ = self._question()
        writer = None
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await asyncio.open_connection(host, port, local_addr=self._source)
                writer.write(len(question[0]).to_bytes(2, "big") + question[0])
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = await reader.readexactly(size)
        except TimeoutError as error:
            raise ReplicaError(Fault.TOO_SLOW, "the primary did not answer in time") from error
        except (OSError, EOFError) as error:
            raise _unreachable(error) from error
        finally:
            if writer is not None:
                writer.close()
        return self._read(question, answer)

    def _question(self) -> tuple[tuple[bytes, Any], bytes]:
        id_ = secrets.randbits(16)
        made = make_question(wire.SOA, self._zone, None, self._key, message_id=id_, now=time.time())
        return made, id_.to_bytes(2, "big")

    def _read(self, question: tuple[bytes, Any], answer: bytes) -> SoaAnswer:
        try:
            return read_soa_answer(question[0], answer, question[1], time.time())
        except (TransferError, TsigError) as error:
            raise as_replica_error(error) from error


class _UseTcpError(Exception):
    """UDP gives no answer, or one that is cut off."""


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, answers: asyncio.Queue[bytes | OSError]) -> None:
        self._answers = answers

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._put(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._put(exc)

    def _put(self, found: bytes | OSError) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._answers.put_nowait(found)


def is_truncated(message: bytes) -> bool:
    """Tell whether an answer says: ask over TCP."""
    return len(message) >= wire.HEADER_SIZE and bool(
        int.from_bytes(message[2:4], "big") & wire.TRUNCATED
    )


def as_replica_error(error: TransferError | TsigError) -> ReplicaError:
    """Return what a codec says as our error."""
    if isinstance(error, TsigError):
        return ReplicaError(Fault.UNSIGNED, f"the primary's answer is not proven: {error}")
    if error.rcode is not None:
        return ReplicaError(Fault.REFUSED, f"the primary refuses: {error}")
    return ReplicaError(Fault.MALFORMED, f"the primary's answer is not right: {error}")


def _unreachable(error: OSError | EOFError) -> ReplicaError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ReplicaError(Fault.UNREACHABLE, f"the primary cannot be reached: {reason}")
