"""An MTA that asks a milter over a socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.protocol.milter.mta import (
    DATA,
    END,
    END_OF_HEADER,
    HELO,
    connect,
    header,
    macros,
    offer,
    packet,
)

Answer = tuple[str, bytes]
CONTINUE: Answer = ("c", b"")
FIELDS = ((b"From", b" alice@alpha.example"), (b"Subject", b" hello"))


class Mta:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> Answer:
        async with asyncio.timeout(20):
            (length,) = struct.unpack("!I", await self.reader.readexactly(4))
            octets = await self.reader.readexactly(length)
        return chr(octets[0]), octets[1:]

    def give(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    async def ask(self, *packets: bytes) -> Answer:
        self.give(*packets)
        return await self.answer()

    async def begin(self, address: str = "192.0.2.1", *, tls: bool = True) -> None:
        assert (await self.ask(offer()))[0] == "O"
        helo = [macros("H", tls_version="TLSv1.3"), HELO] if tls else [HELO]
        self.give(connect(address), *helo)

    async def mail(self, user: str = "alice") -> Answer:
        said = [macros("M", i="4ABC", auth_authen=user)] if user else []
        return await self.ask(*said, packet("M", b"<alice@alpha.example>\0"))

    async def rcpt(self, number: int = 1) -> Answer:
        return await self.ask(packet("R", f"<r{number}@beta.example>".encode() + b"\0"))

    def content(
        self, fields: Sequence[tuple[bytes, bytes]] = FIELDS, body: bytes = b"text\r\n"
    ) -> None:
        self.give(*(header(*field) for field in fields), END_OF_HEADER, packet("B", body))

    async def end(self) -> list[Answer]:
        """All that the filter says at the end, the decision last."""
        self.give(END)
        answers = [await self.answer()]
        while answers[-1][0] in "himp":
            answers.append(await self.answer())
        return answers

    async def message(self, user: str = "alice", recipients: int = 1) -> list[Answer]:
        assert await self.mail(user) == CONTINUE
        for number in range(recipients):
            assert await self.rcpt(number) == CONTINUE
        assert await self.ask(DATA) == CONTINUE
        self.content()
        return await self.end()

    async def is_left(self) -> bool:
        async with asyncio.timeout(20):
            try:
                return not await self.reader.read(1)
            except ConnectionResetError:
                return True


@asynccontextmanager
async def mta_of(port: int) -> AsyncIterator[Mta]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Mta(reader, writer)
    finally:
        writer.close()
