"""Load for the benchmarks: to loopback addresses only, bounded in count."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from tests.gateway.world import client_tls

from countersign.protocol.session_id import make_session_id
from countersign.storage.tables import OpenSession
from countersign.transport.conversation import connect

if TYPE_CHECKING:
    from benchmarks.setting import Setting

AT_ONCE = 8


async def _repeat(count: int, session: object) -> None:
    remaining = iter(range(count))

    async def client() -> None:
        for _ in remaining:
            await session()  # type: ignore[operator]

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))


async def reject_sessions(endpoint: str, count: int) -> None:
    """Sessions that are refused at MAIL or RCPT: EHLO, MAIL, RCPT, QUIT."""
    host, _, port = endpoint.rpartition(":")

    async def session() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        await reader.readline()
        writer.write(b"EHLO client.example\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        writer.write(b"MAIL FROM:<a@b.example>\r\n")
        first = await reader.readline()
        writer.write(b"RCPT TO:<user@local.example>\r\n")
        second = await reader.readline()
        if not (first[:1] == b"5" or second[:1] == b"5"):
            raise RuntimeError(f"not refused: {first!r} {second!r}")
        writer.write(b"QUIT\r\n")
        await reader.readline()
        writer.close()

    await _repeat(count, session)


async def plain_tls_sessions(endpoint: str, count: int) -> None:
    """EHLO, STARTTLS, EHLO, QUIT."""
    host, _, port = endpoint.rpartition(":")
    tls = client_tls()

    async def session() -> None:
        conversation = await connect(host, int(port), timeout=10, reply_timeout=30)
        await conversation.greeting()
        await conversation.hello("client.example")
        await conversation.start_tls(tls, None)
        await conversation.hello("client.example")
        await conversation.command(conversation.dialogue.quit())
        conversation.stream.close()

    await _repeat(count, session)


async def verified_sessions(setting: Setting, count: int) -> None:
    """The same with XSESSIONID; the gateway under test calls itself back as claimed host."""
    host, _, port = setting.gateway.rpartition(":")
    tls = client_tls()

    async def session() -> None:
        session_id = make_session_id(setting.secret, os.urandom(64), 128)
        row = OpenSession(session_id, host, setting.hostname, time.time())
        await setting.tables.open_session(row)
        conversation = await connect(host, int(port), timeout=10, reply_timeout=30)
        await conversation.greeting()
        await conversation.hello(setting.hostname)
        await conversation.start_tls(tls, None)
        await conversation.hello(setting.hostname)
        answer = await conversation.command(conversation.dialogue.session_id(session_id))
        if answer.code != 250:
            raise RuntimeError(f"not verified: {answer}")
        await conversation.command(conversation.dialogue.quit())
        conversation.stream.close()
        await setting.tables.close_session(session_id)

    await _repeat(count, session)
