"""Servers as senders: real gateways, and such as do not do what they should."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from countersign.certification.mailbox import MailboxUnavailableError, TestMailbox
from countersign.certification.mailbox.sender import (
    FORGOTTEN,
    ONCE,
    SESSION_ID,
    TITLES,
    TRUE,
    SenderTests,
)
from countersign.certification.outcome import BatteryResult, Verdict
from countersign.certification.settings import Battery, Standing
from countersign.demo.dns_server import Behaviour
from countersign.transport.certificate import make_self_signed
from countersign.transport.conversation import Conversation, connect
from countersign.transport.stream import Stream
from tests.certification.mailbox.running import (
    DOMAIN,
    MARK,
    Store,
    address,
    mailbox_for,
    rcpt,
    send,
)
from tests.gateway.world import World, client_tls, fresh_address

CONTENT = b"Subject: x\r\n\r\nx\r\n"
RECIPIENT = f"s-{MARK}@{DOMAIN}"
PASSED, FAILED, UNTESTED = Verdict.PASSED, Verdict.FAILED, Verdict.COULD_NOT_TEST


class Desk:
    """Keeps the results of one test."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.results: list[BatteryResult] = []
        self.is_away = False
        self._changed = asyncio.Condition()

    async def host_of(self, mark: str) -> str | None:
        return self.host if mark == MARK else None

    async def record(self, mark: str, result: BatteryResult) -> None:
        if self.is_away:
            raise MailboxUnavailableError("away")
        async with self._changed:
            self.results.append(result)
            self._changed.notify_all()

    async def wait(self, count: int) -> dict[str, Verdict]:
        """Return the verdicts of the last result, when there are so many."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(self.results) >= count)
        return {one.name: one.verdict for one in self.results[-1].outcomes}


@contextlib.asynccontextmanager
async def mailbox_in(
    world: World, desk: Desk, *, networks: tuple[str, ...] = ("127.0.0.0/8",)
) -> AsyncIterator[TestMailbox]:
    """A mailbox that is the MX of its domain in a world of gateways."""
    at = fresh_address()
    world.dns.set("mx.registrar.example", "A", at)
    world.dns.set(DOMAIN, "MX", "10 mx.registrar.example.")
    battery = Battery(port=world.port, pause=0, timeout=3, hello="mx.registrar.example")
    standing = Standing(networks=networks, nameservers=(world.dns.endpoint,))
    tests = SenderTests(battery, standing, waits=(0.2, 0.2))
    listen = f"{at}:{world.port}"
    async with mailbox_for(Store(), listen=listen, senders=desk, sender_tests=tests) as mailbox:
        yield mailbox


async def test_a_real_gateway_passes_again_and_again(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    desk = Desk(alpha.name)
    async with mailbox_in(world, desk):
        [answer] = await alpha.send(CONTENT, RECIPIENT)
        assert answer.code == 250, answer
        assert await desk.wait(2) == dict.fromkeys(TITLES, PASSED)
        assert desk.results[0].verdict is UNTESTED, "what was kept before the 250"
    result = desk.results[-1]
    assert result.verdict is PASSED
    assert result.addresses == (alpha.address,)
    said = {one.name: [line.text for line in one.transcript] for one in result.outcomes}
    assert any(line.startswith("XSESSIONID ") for line in said[SESSION_ID])
    assert "250 2.7.0 TRUE" in said[TRUE]
    assert any(line.startswith("XVERIFY ") for line in said[FORGOTTEN])
    assert not any("Subject" in line for lines in said.values() for line in lines)


async def test_a_gateway_may_be_tested_while_other_mail_flows(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    desk = Desk(alpha.name)
    async with mailbox_in(world, desk) as mailbox:
        store = mailbox.knows.__self__  # type: ignore[attr-defined]
        answers = await alpha.send(CONTENT, address("b"), RECIPIENT)
        assert [answer.code for answer in answers] == [250, 250]
        await desk.wait(2)
        assert len(store.messages) == 1


@dataclass
class Impostor:
    """A host that answers questions as it is told to, and counts them."""

    answer: Callable[[int], str]
    """Given how often it was asked."""
    keywords: tuple[str, ...] = ("XSESSIONID", "XVERIFY")
    questions: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self, world: World, directory: Path, name: str) -> AsyncIterator[str]:
        at = fresh_address()
        world.dns.set(name, "A", at)
        pair = directory / f"{name}.pem"
        pair.write_bytes(make_self_signed(name))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pair)
        tasks = set()

        def connected(stream: Stream) -> None:
            tasks.add(asyncio.get_running_loop().create_task(self._serve(stream, tls)))

        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Stream(connected), at, world.port)
        try:
            yield at
        finally:
            server.close()
            for task in tasks:
                task.cancel()

    async def _serve(self, stream: Stream, tls: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError):
            stream.write(b"220 x ESMTP\r\n")
            in_tls, waiting = False, b""
            while data := await stream.read():
                waiting += data
                while b"\r\n" in waiting:
                    line, waiting = waiting.split(b"\r\n", 1)
                    verb, _, argument = line.decode().partition(" ")
                    if verb == "EHLO":
                        keywords = self.keywords if in_tls else ("STARTTLS",)
                        lines = "".join(f"250-{word}\r\n" for word in ("x", *keywords))
                        stream.write(f"{lines}250 8BITMIME\r\n".encode())
                    elif verb == "STARTTLS":
                        stream.write(b"220 go\r\n")
                        await stream.start_tls(tls, server_side=True)
                        in_tls = True
                    elif verb == "XVERIFY":
                        self.questions.append(argument)
                        stream.write(f"{self.answer(len(self.questions))}\r\n".encode())
                    else:
                        stream.write(b"250 ok\r\n")


HOST = "mail.impostor.example"


@contextlib.asynccontextmanager
async def sender_to(
    mailbox: TestMailbox, *, hello: str = HOST, tls: bool = True
) -> AsyncIterator[Conversation]:
    at, _, port = mailbox.addresses[0].rpartition(":")
    client = await connect(at, int(port), timeout=5, reply_timeout=20)
    try:
        await client.greeting()
        await client.hello(hello)
        if tls:
            await client.start_tls(client_tls(), None)
            await client.hello(hello)
        yield client
    finally:
        client.stream.abort()


async def deliver(
    mailbox: TestMailbox, *, session_id: str = "a" * 128, hello: str = HOST, tls: bool = True
) -> int:
    async with sender_to(mailbox, hello=hello, tls=tls) as client:
        if session_id:
            await client.command(client.dialogue.raw(f"XSESSIONID {session_id}\r\n".encode()))
        return await send(client, RECIPIENT)


def always(text: str) -> Callable[[int], str]:
    return lambda _number: text


def once(text: str, then: str) -> Callable[[int], str]:
    return lambda number: text if number == 1 else then


SAID_TRUE, SAID_FALSE = "250 2.7.0 TRUE", "550 5.7.1 FALSE"


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (once(SAID_TRUE, SAID_FALSE), [PASSED, PASSED, PASSED, PASSED]),
        (once(SAID_TRUE, "450 4.7.1 later"), [PASSED, PASSED, PASSED, PASSED]),
        (always(SAID_TRUE), [PASSED, PASSED, FAILED, FAILED]),
        (
            lambda number: SAID_FALSE if number == 2 else SAID_TRUE,
            [PASSED, PASSED, PASSED, FAILED],
        ),
        (always(SAID_FALSE), [PASSED, FAILED, UNTESTED, UNTESTED]),
        (always("450 4.7.1 later"), [PASSED, UNTESTED, UNTESTED, UNTESTED]),
        (always("421 4.7.0 go away"), [PASSED, UNTESTED, UNTESTED, UNTESTED]),
        (always("250 2.0.0 Ok"), [PASSED, FAILED, UNTESTED, UNTESTED]),
        (always("no reply"), [PASSED, UNTESTED, UNTESTED, UNTESTED]),
    ],
)
async def test_each_answer_has_its_verdict(
    world: World, tmp_path: Path, answer: Callable[[int], str], verdicts: list[Verdict]
) -> None:
    host, desk = Impostor(answer), Desk(HOST)
    async with host.running(world, tmp_path, HOST), mailbox_in(world, desk) as mailbox:
        assert await deliver(mailbox) == 250
        expected = dict(zip(TITLES, verdicts, strict=True))
        assert await desk.wait(2 if verdicts[1] is PASSED else 1) == expected
    assert set(host.questions) == {"a" * 128}


async def test_who_keeps_an_open_session_quiet_for_a_while_is_not_failed(
    world: World, tmp_path: Path
) -> None:
    # The end of the connection takes a moment to be noticed.
    def answer(number: int) -> str:
        return SAID_TRUE if number in (1, 3) else SAID_FALSE

    host, desk = Impostor(answer), Desk(HOST)
    async with host.running(world, tmp_path, HOST), mailbox_in(world, desk) as mailbox:
        assert await deliver(mailbox) == 250
        assert (await desk.wait(2))[FORGOTTEN] is PASSED
    assert len(host.questions) == 4


async def test_a_host_without_xverify_fails(world: World, tmp_path: Path) -> None:
    host, desk = Impostor(always(SAID_TRUE), keywords=()), Desk(HOST)
    async with host.running(world, tmp_path, HOST), mailbox_in(world, desk) as mailbox:
        assert await deliver(mailbox) == 250
        assert (await desk.wait(1))[TRUE] is FAILED
    assert host.questions == []


@pytest.mark.parametrize(
    ("session_id", "hello", "tls"),
    [
        ("", HOST, True),
        ("a" * 128, HOST, False),
        ("a" * 127, HOST, True),
        ("a" * 127 + "-", HOST, True),
        ("a" * 128, "mail.other.example", True),
    ],
)
async def test_who_claims_nothing_true_is_taken_failed_and_nobody_is_asked(
    world: World, tmp_path: Path, session_id: str, hello: str, tls: bool
) -> None:
    host, desk = Impostor(always(SAID_TRUE)), Desk(HOST)
    other = Impostor(always(SAID_TRUE))
    async with (
        host.running(world, tmp_path, HOST),
        other.running(world, tmp_path, "mail.other.example"),
        mailbox_in(world, desk) as mailbox,
    ):
        assert await deliver(mailbox, session_id=session_id, hello=hello, tls=tls) == 250
        verdicts = await desk.wait(1)
    assert verdicts == {SESSION_ID: FAILED, TRUE: UNTESTED, ONCE: UNTESTED, FORGOTTEN: UNTESTED}
    assert host.questions == other.questions == []


async def test_a_session_id_that_was_given_before_fails(world: World, tmp_path: Path) -> None:
    host, desk = Impostor(once(SAID_TRUE, SAID_FALSE)), Desk(HOST)
    async with host.running(world, tmp_path, HOST), mailbox_in(world, desk) as mailbox:
        assert await deliver(mailbox) == 250
        await desk.wait(2)
        assert await deliver(mailbox) == 250
        assert (await desk.wait(3))[SESSION_ID] is FAILED


async def test_a_host_whose_name_the_dns_does_not_tell_is_not_failed(world: World) -> None:
    desk = Desk(HOST)
    async with mailbox_in(world, desk) as mailbox:
        world.dns.misbehave(HOST, Behaviour.SERVFAIL)
        assert await deliver(mailbox) == 250
        assert (await desk.wait(1))[TRUE] is UNTESTED
    assert desk.results[-1].verdict is UNTESTED


async def test_a_host_that_cannot_be_reached_is_not_failed(world: World) -> None:
    desk = Desk(HOST)
    async with mailbox_in(world, desk) as mailbox:
        world.dns.set(HOST, "A", fresh_address())
        assert await deliver(mailbox) == 250
        assert (await desk.wait(1))[TRUE] is UNTESTED


async def test_no_private_address_is_asked_that_is_not_configured(
    world: World, tmp_path: Path
) -> None:
    host, desk = Impostor(always(SAID_TRUE)), Desk(HOST)
    async with (
        host.running(world, tmp_path, HOST),
        mailbox_in(world, desk, networks=()) as mailbox,
    ):
        assert await deliver(mailbox) == 250
        assert (await desk.wait(1))[TRUE] is UNTESTED
    assert host.questions == []


async def test_one_test_is_made_at_a_time(world: World, tmp_path: Path) -> None:
    host, desk = Impostor(once(SAID_TRUE, SAID_FALSE)), Desk(HOST)
    async with host.running(world, tmp_path, HOST), mailbox_in(world, desk) as mailbox:
        async with sender_to(mailbox) as first, sender_to(mailbox) as second:
            for client in (first, second):
                await client.command(client.dialogue.mail("<>"))
            assert await rcpt(first, RECIPIENT) == 250
            assert await rcpt(first, RECIPIENT.upper()) == 250
            assert await rcpt(second, RECIPIENT) == 451
            await first.command(first.dialogue.reset())
            assert await rcpt(second, RECIPIENT) == 250
        assert await deliver(mailbox) == 250


async def test_a_result_that_cannot_be_kept_is_not_acknowledged(
    world: World, tmp_path: Path
) -> None:
    host, desk = Impostor(once(SAID_TRUE, SAID_FALSE)), Desk(HOST)
    async with host.running(world, tmp_path, HOST), mailbox_in(world, desk) as mailbox:
        desk.is_away = True
        assert await deliver(mailbox) == 451
        desk.is_away = False
        host.questions.clear()
        assert await deliver(mailbox, session_id="b" * 128) == 250
        assert (await desk.wait(2)) == dict.fromkeys(TITLES, PASSED)
