"""The test mailbox and clients that mean it harm: it goes on, and they get their share only."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.certification.mailbox import TestMailbox
from tests.certification.mailbox.running import (
    NUMBER,
    Store,
    address,
    client_of,
    mailbox_for,
    port_of,
    rcpt,
    send,
)


async def raw(
    mailbox: TestMailbox, source: str = "127.0.0.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        "127.0.0.1", port_of(mailbox), local_addr=(source, 0), limit=2**20
    )


async def last_line(reader: asyncio.StreamReader, seconds: float = 15) -> bytes:
    """Return the last line that the mailbox says before it closes."""
    async with asyncio.timeout(seconds):
        said = await reader.read(-1)
    return said.splitlines()[-1]


async def test_one_address_gets_a_tenth_of_all_connections() -> None:
    async with mailbox_for(Store(), limits={"connections": 20}) as mailbox:
        held = [await raw(mailbox) for _ in range(2)]
        reader, _ = await raw(mailbox)
        assert (await last_line(reader)).startswith(b"421 4.7.0 Too many connections")
        async with client_of(mailbox, source="127.0.0.2") as client:
            assert await send(client, address()) == 250
        held[0][1].close()
        assert await again(mailbox)
        held[1][1].close()


async def again(mailbox: TestMailbox) -> bool:
    """Tell whether 127.0.0.1 may connect before long: the mailbox must notice who has gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError):
            async with client_of(mailbox):
                return True
    return False


async def test_there_is_a_bound_on_all_connections() -> None:
    async with mailbox_for(Store(), limits={"connections": 3}) as mailbox:
        held = [await raw(mailbox, f"127.0.0.{number}") for number in (2, 3, 4)]
        reader, _ = await raw(mailbox, "127.0.0.5")
        assert (await last_line(reader)).startswith(b"421")
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize("where", ["greeting", "command", "content"])
async def test_a_client_that_says_nothing_is_sent_away(where: str) -> None:
    async with mailbox_for(Store(), limits={"command_seconds": 0.5}) as mailbox:
        reader, writer = await raw(mailbox)
        if where != "greeting":
            writer.write(b"EHLO x.example\r\nMAI")
        if where == "content":
            writer.write(f"L FROM:<>\r\nRCPT TO:<{address()}>\r\nDATA\r\nabc".encode())
        assert (await last_line(reader)).startswith(b"421 4.4.2")
        writer.close()


async def test_a_client_that_drips_has_a_bounded_time_in_all() -> None:
    store = Store()
    async with mailbox_for(store, limits={"session_seconds": 1.5}) as mailbox:
        reader, writer = await raw(mailbox)
        writer.write(f"EHLO x.example\r\nMAIL FROM:<>\r\nRCPT TO:<{address()}>\r\n".encode())
        writer.write(b"DATA\r\n")
        end = asyncio.create_task(last_line(reader))
        begun = time.monotonic()
        while not end.done():
            writer.write(b"x\r\n")
            await asyncio.sleep(0.1)
        assert (await end).startswith(b"421 4.4.2")
        assert time.monotonic() - begun < 8
        writer.close()
    assert store.messages == []


async def test_a_client_that_reads_nothing_does_not_hold_its_place() -> None:
    async with mailbox_for(Store(), limits={"connections": 10, "command_seconds": 0.5}) as mailbox:
        _, writer = await raw(mailbox)
        transport = writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            writer.write(b"EHLO x.example\r\n" + b"HELP\r\n" * 150)
        assert await again(mailbox)
        transport.abort()


async def test_commands_are_counted() -> None:
    async with mailbox_for(Store()) as mailbox:
        reader, writer = await raw(mailbox)
        writer.write(b"NOOP\r\n" * 5000)
        assert await last_line(reader) == b"421 4.7.0 Too many commands"
        writer.close()


async def test_recipients_and_octets_are_bounded() -> None:
    store = Store()
    async with (
        mailbox_for(store, limits={"recipients": 2, "size": 20_000}) as mailbox,
        client_of(mailbox) as client,
    ):
        assert client.extensions["SIZE"] == "20000"
        await client.command(client.dialogue.mail("<>"))
        codes = [await rcpt(client, address(number=letter * 16)) for letter in "abc"]
        assert codes == [250, 250, 452]
        await client.command(client.dialogue.reset())
        answer = await client.command(client.dialogue.mail("<>", " SIZE=20001"))
        assert answer.code == 552
        assert await send(client, address(), content=b"x" * 70 + b"\r\n") == 250
        assert await send(client, address(), content=(b"x" * 70 + b"\r\n") * 1000) == 552
        assert await send(client, address(number=NUMBER)) == 250
    assert len(store.messages) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"bare\nline\r\n",
        b"bare\rline\r\n",
        b"nul\0\r\n",
        b"x" * 15_000 + b"\r\n",
        b"x" * 60_000 + b"\r\n",
    ],
)
async def test_a_relay_that_mangles_a_message_has_relayed_it_all_the_same(content: bytes) -> None:
    store = Store()
    async with mailbox_for(store) as mailbox:
        async with client_of(mailbox) as client:
            assert await send(client, address(), content=content) == 250
        async with client_of(mailbox) as client:
            assert await send(client, address()) == 250
    assert len(store.messages) == 2


async def test_nothing_is_taken_of_a_message_whose_end_did_not_come() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox:
        reader, writer = await raw(mailbox)
        writer.write(f"EHLO x.example\r\nMAIL FROM:<>\r\nRCPT TO:<{address()}>\r\n".encode())
        writer.write(b"DATA\r\nSubject: x\r\n\r\n")
        await reader.readuntil(b"354 ")
        writer.transport.abort()
        assert await again(mailbox)
    assert store.messages == []


_LINES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"EHLO x.example",
            b"HELO [127.0.0.1]",
            b"MAIL FROM:<>",
            b"MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME SMTPUTF8",
            f"RCPT TO:<{address()}>".encode(),
            f"RCPT TO:<@a,@b:{address()}>".encode(),
            b'RCPT TO:<"a\\"b"@tests.registrar.example>',
            b"RCPT TO:<>",
            b"DATA",
            b".",
            b"RSET",
            b"XVERIFY " + b"a" * 128,
            b"XSESSIONID " + b"a" * 128,
            b"BDAT 10 LAST",
            b"A" * 3000,
            b"\xff\xfe",
            b"\0",
        ]
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_LINES, max_size=30), st.sampled_from([b"\r\n", b"\n", b"\r"]), st.booleans())
def test_no_octets_do_it_harm(lines: list[bytes], ending: bytes, is_torn: bool) -> None:
    async def attack() -> None:
        store = Store()
        async with mailbox_for(store, tls=False) as mailbox:
            reader, writer = await raw(mailbox)
            octets = ending.join(lines) + ending
            with contextlib.suppress(ConnectionError):
                if is_torn:
                    for start in range(0, len(octets), 97):
                        writer.write(octets[start : start + 97])
                        await writer.drain()
                else:
                    writer.write(octets)
                writer.write_eof()
                async with asyncio.timeout(10):
                    said = await reader.read(-1)
                assert b"4.3.0 Internal" not in said
            writer.close()
            async with client_of(mailbox) as client:
                assert await send(client, address()) == 250

    asyncio.run(attack())
