"""Where connections to servers come from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from countersign.certification.said import Trouble
from countersign.certification.session import trouble_of
from countersign.certification.settings import Standing
from countersign.certification.standpoint import Standpoint
from countersign.transport.conversation import ConversationError
from tests.gateway.world import free_port


class Listener(asyncio.Protocol):
    """Notes who connects, and says the same to whatever comes; None: nothing."""

    def __init__(self, peers: list[str], answer: bytes | None) -> None:
        self._peers, self._answer = peers, answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peers.append(transport.get_extra_info("peername")[0])

    def data_received(self, data: bytes) -> None:
        if self._answer is not None:
            self._transport.write(self._answer)


@asynccontextmanager
async def listening(answer: bytes | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """A port, and who connected."""
    peers: list[str] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Listener(peers, answer), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], peers


async def connect(standpoint: Standpoint, port: int, timeout: float = 5) -> None:
    conversation = await standpoint.connect("127.0.0.1", port, timeout=timeout)
    conversation.stream.abort()


async def trouble(standpoint: Standpoint, port: int, timeout: float = 5) -> Trouble:
    with pytest.raises(ConversationError) as caught:
        await connect(standpoint, port, timeout)
    return trouble_of(caught.value)


async def test_source_addresses_are_used_in_turn() -> None:
    sources = ("127.71.0.1", "::1", "127.72.0.1", "127.73.0.1")
    standpoint = Standpoint(Standing(sources=sources))
    async with listening() as (port, peers):
        for _ in range(4):
            await connect(standpoint, port)
        async with asyncio.timeout(5):
            while len(peers) < 4:
                await asyncio.sleep(0)
    # One of another family is none for this address.
    assert peers == ["127.71.0.1", "127.72.0.1", "127.73.0.1", "127.71.0.1"]


async def test_a_source_that_is_not_this_machines_says_nothing_of_the_server() -> None:
    standpoint = Standpoint(Standing(sources=("192.0.2.1",)))
    async with listening() as (port, peers):
        assert await trouble(standpoint, port) is Trouble.NO_ROUTE
    assert peers == []


async def test_a_closed_port_refuses() -> None:
    assert await trouble(Standpoint(Standing()), free_port()) is Trouble.REFUSED


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, Trouble.TIMED_OUT),
        (b"\x05\x00", Trouble.TIMED_OUT),
        (b"\x05\xff", Trouble.CLOSED),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Trouble.CLOSED),
    ],
)
async def test_what_is_no_proxy_ends_in_time_and_is_no_refusal_of_the_server(
    answer: bytes | None, expected: Trouble
) -> None:
    async with listening(answer) as (port, _):
        standpoint = Standpoint(Standing(socks=f"127.0.0.1:{port}"))
        assert await trouble(standpoint, 25, timeout=0.5) is expected


async def test_an_absent_proxy_is_not_a_refusal_of_the_server() -> None:
    standpoint = Standpoint(Standing(socks=f"127.0.0.1:{free_port()}"))
    assert await trouble(standpoint, 25) is Trouble.CLOSED
