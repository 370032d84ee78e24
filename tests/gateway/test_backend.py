"""A backend that refuses, hangs or breaks off at each stage: never a false 250 (DESIGN §4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from countersign.protocol.reply import Reply
from tests.gateway.world import World, client_of, free_port, fresh_address

STAGES = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "content"]


class Backend:
    """A scripted MTA: at one stage it answers something else than it should."""

    def __init__(self, stage: str, answer: bytes | None) -> None:
        """``answer``: what it says there; None: nothing (it hangs); b'': it closes."""
        self.stage, self.answer = stage, answer
        self.taken: list[bytes] = []
        self._held: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held.append(writer)
        content = b""
        stage, good = "greeting", b"220 backend\r\n"
        while await self._say(writer, stage, good):
            if stage == "DATA":
                content = await reader.readuntil(b"\r\n.\r\n")
                stage, good = "content", b"250 2.0.0 taken\r\n"
                continue
            if stage == "content" != self.stage:
                self.taken.append(content)
            line = await reader.readline()
            if not line:
                return
            stage = line[:4].decode().strip().replace("HELO", "EHLO")
            good = b"354 go on\r\n" if stage == "DATA" else b"250 2.0.0 Ok\r\n"
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, stage: str, good: bytes) -> bool:
        if stage != self.stage:
            writer.write(good)
            return True
        if self.answer is None:
            await asyncio.sleep(3600)
        writer.write(self.answer or b"")
        return bool(self.answer)


@asynccontextmanager
async def listening(backend: Backend) -> AsyncIterator[int]:
    port = free_port()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await backend.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    yield port
    server.close()
    for task in tasks:
        task.cancel()


async def send(world: World, port: int) -> list[Reply]:
    source = fresh_address()
    gateway = await world.gateway(
        "beta.example",
        receiving={
            "allow": [source],
            "backend": {
                "kind": "smtp",
                "address": f"127.0.0.1:{port}",
                "client_information": "none",
                "reply_timeout": 1,
            },
        },
    )
    async with client_of(gateway, source=source) as client:
        dialogue = client.dialogue
        replies = [await client.command(dialogue.mail("<>"))]
        for octets in (dialogue.rcpt("<user@beta.example>"), dialogue.data()):
            if replies[-1].is_positive:
                replies.append(await client.command(octets))
        if replies[-1].code == 354:
            await client.send_content(b"Subject: x\r\n\r\nx\r\n")
            replies.append(await client.command(dialogue.end_of_content()))
        # Whatever happened behind, the dialogue goes on in front.
        if not client.stream.is_closing:
            client.stream.write(b"NOOP\r\n")
            assert (await client.stream.read()).startswith(b"250")
        return replies


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "answer", [b"554 5.7.1 no\r\n", b"451 4.3.0 later\r\n", b"", None, b"x\r\n"]
)
async def test_no_stage_of_trouble_is_acknowledged(
    world: World, stage: str, answer: bytes | None
) -> None:
    backend = Backend(stage, answer)
    async with listening(backend) as port:
        started = time.monotonic()
        replies = await send(world, port)
        assert time.monotonic() - started < 15
    last = replies[-1]
    if answer == b"554 5.7.1 no\r\n" and stage not in ("greeting", "EHLO"):
        assert (last.code, last.text) == (554, "no")
    elif answer == b"451 4.3.0 later\r\n" and stage not in ("greeting", "EHLO"):
        assert (last.code, last.text) == (451, "later")
    else:
        assert (last.code, last.enhanced) == (451, "4.3.0")
    assert backend.taken == []
    assert len(replies) == {"greeting": 1, "EHLO": 1}.get(stage, STAGES.index(stage) - 1)


async def test_a_good_backend_takes_it(world: World) -> None:
    backend = Backend("never", b"")
    async with listening(backend) as port:
        replies = await send(world, port)
    assert [reply.code for reply in replies] == [250, 250, 354, 250]
    [content] = backend.taken
    assert content.endswith(b"Subject: x\r\n\r\nx\r\n.\r\n")


async def test_a_smuggled_message_never_reaches_the_backend(world: World) -> None:
    backend = Backend("never", b"")
    async with listening(backend) as port:
        source = fresh_address()
        settings = {"kind": "smtp", "address": f"127.0.0.1:{port}", "client_information": "none"}
        gateway = await world.gateway(
            "beta.example", receiving={"allow": [source], "backend": settings}
        )
        async with client_of(gateway, source=source) as client:
            dialogue = client.dialogue
            for octets in (dialogue.mail("<>"), dialogue.rcpt("<u@beta.example>"), dialogue.data()):
                await client.command(octets)
            smuggled = b"a\r\n\r\nb\n.\r\nMAIL FROM:<evil@x.example>\r\n.\r\n"
            client.stream.write(smuggled)
            assert (await client.stream.read()).startswith(b"550 5.6.0")
            assert await client.stream.read() == b"", "the connection ends"
    assert backend.taken == []


async def test_an_lmtp_backend_takes_one_recipient_at_a_time(world: World) -> None:
    """LMTP answers each recipient, SMTP once for all: with one each, no answer is lost."""
    gamma = await world.gateway("gamma.example")
    hub = await world.gateway("hub.example")
    source = fresh_address()
    # The LMTP server behind is the sending side of another gateway.
    settings = {"kind": "lmtp", "address": f"{hub.address}:{hub.lmtp_port}"}
    beta = await world.gateway("beta.example", receiving={"allow": [source], "backend": settings})
    async with client_of(beta, source=source) as client:
        dialogue = client.dialogue
        codes = []
        for octets in (
            dialogue.mail("<a@b.example>"),
            dialogue.rcpt("<user@gamma.example>"),
            dialogue.rcpt("<other@gamma.example>"),
            dialogue.data(),
        ):
            codes.append((await client.command(octets)).code)
        assert codes == [250, 250, 452, 354]
        await client.send_content(b"Subject: x\r\n\r\nx\r\n")
        assert (await client.command(dialogue.end_of_content())).code == 250
        await client.command(dialogue.mail("<a@b.example>"))
        await client.command(dialogue.rcpt("<nobody@gamma.example>"))
        await client.command(dialogue.data())
        await client.send_content(b"Subject: x\r\n\r\nx\r\n")
        assert (await client.command(dialogue.end_of_content())).code == 550
    assert len(gamma.messages()) == 1
