"""Sending: real gateways, ordinary servers, DNS (DESIGN §4, Sending; RFC 5321 §5)."""

from __future__ import annotations

import asyncio
import time

import pytest

from countersign.demo.dns_server import Behaviour
from countersign.protocol.reply import Reply, reply
from tests.gateway.world import World, fresh_address

CONTENT = b"Subject: x\r\n\r\n.a line\r\n..\r\nend\r\n"
OK = reply(250, "2.0.0", "taken")


class Inbox:
    """What an ordinary server was given, and what it answers."""

    def __init__(self, answer: Reply = OK) -> None:
        self.answer = answer
        self.contents: list[bytes] = []
        self.recipients: list[list[str]] = []

    async def __call__(self, _sender: str, recipients: list[str], content: bytes) -> Reply:
        self.contents.append(content)
        self.recipients.append(recipients)
        return self.answer


async def test_between_registered_servers_over_one_verified_connection(world: World) -> None:
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    for _ in range(3):
        [answer] = await alpha.send(CONTENT, "user@beta.example")
        assert answer.code == 250, answer
        assert answer.text.startswith(f"mail.beta.example[{beta.address}] said: ")
    assert len(beta.messages()) == 3
    assert all(message.endswith(CONTENT) for message in beta.messages())
    samples = beta.parts.metrics.registry.get_sample_value
    assert samples("countersign_connections_total", {"service": "receiving"}) == 1
    assert samples("countersign_verifications_total", {"outcome": "proven"}) == 1


async def test_the_row_is_there_before_the_verb_and_gone_with_the_connection(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    seen: list[str] = []

    async def look(_name: str, session_id: str) -> None:
        row = await alpha.parts.tables.find_session(session_id)
        assert row is not None
        assert row.mx_host == "mail.other.example"
        seen.append(session_id)

    server = await world.ordinary("other.example", Inbox(), on_session_id=look)
    assert [one.code for one in await alpha.send(CONTENT, "a@other.example")] == [250]
    [session_id] = seen
    assert await alpha.parts.tables.find_session(session_id) is not None
    await server.drain(2)
    async with asyncio.timeout(10):
        while await alpha.parts.tables.find_session(session_id) is not None:
            await asyncio.sleep(0.05)


async def test_an_unregistered_receiver_gets_ordinary_mail_with_and_without_tls(
    world: World,
) -> None:
    alpha = await world.gateway("alpha.example")
    inbox = Inbox()
    await world.ordinary("tls.example", inbox)
    await world.ordinary("clear.example", inbox, tls=False)
    answers = await alpha.send(CONTENT, "a@tls.example", "b@clear.example")
    assert [answer.code for answer in answers] == [250, 250]
    assert inbox.contents == [CONTENT, CONTENT]


async def test_each_recipient_gets_its_own_status_in_order(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    await world.gateway("beta.example")
    world.dns.set("null.example", "MX", "0 .")
    world.dns.misbehave("broken.example", Behaviour.SERVFAIL)
    world.dns.set("noaddress.example", "TXT", '"x"')
    answers = await alpha.send(
        CONTENT,
        "user@beta.example",
        "nobody@beta.example",
        "a@null.example",
        "a@absent.example",
        "a@broken.example",
        "a@noaddress.example",
    )
    assert [(answer.code, answer.enhanced) for answer in answers] == [
        (250, "2.0.0"),
        (550, "5.1.1"),
        (556, "5.1.10"),
        (550, "5.1.2"),
        (451, "4.4.3"),
        (550, "5.4.4"),
    ]


async def test_the_next_host_is_tried_but_a_refusal_is_final(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    slow, good, bad = Inbox(reply(451, "4.3.0", "later")), Inbox(), Inbox(reply(550, "5.7.1", "no"))
    await world.ordinary("later.example", slow)
    await world.ordinary("good.example", good)
    await world.ordinary("bad.example", bad)
    world.dns.set("closed.example", "A", fresh_address())
    world.dns.set(
        "first.example",
        "MX",
        "5 closed.example.",
        "10 mail.later.example.",
        "20 mail.good.example.",
    )
    world.dns.set("second.example", "MX", "10 mail.bad.example.", "20 mail.good.example.")
    first, second = await alpha.send(CONTENT, "a@first.example", "a@second.example")
    assert (first.code, second.code) == (250, 550)
    assert (len(slow.contents), len(good.contents), len(bad.contents)) == (1, 1, 1)


async def test_a_domain_that_hangs_holds_no_other_up_and_is_bounded(world: World) -> None:
    alpha = await world.gateway("alpha.example", sending={"total_timeout": 2, "port": world.port})
    inbox = Inbox()
    await world.ordinary("good.example", inbox)
    address, held = fresh_address(), []
    server = await asyncio.start_server(lambda _r, w: held.append(w), address, world.port)
    world.dns.set("hangs.example", "A", address)
    started = time.monotonic()
    answers = await alpha.send(CONTENT, "a@hangs.example", "b@good.example")
    assert time.monotonic() - started < 20
    assert [(answer.code, answer.enhanced) for answer in answers] == [
        (451, "4.4.7"),
        (250, "2.0.0"),
    ]
    server.close()


async def test_a_connection_closed_while_idle_costs_nothing(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    inbox = Inbox()
    server = await world.ordinary("other.example", inbox)
    assert (await alpha.send(CONTENT, "a@other.example"))[0].code == 250
    await server.drain(2)
    await server.start()
    assert (await alpha.send(CONTENT, "a@other.example"))[0].code == 250
    assert len(inbox.contents) == 2


async def test_a_loop_and_a_broken_message_are_refused(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    [answer] = await alpha.send(CONTENT, "user@alpha.example")
    assert (answer.code, answer.enhanced) == (550, "5.4.6")
    await world.gateway("beta.example")
    [answer] = await alpha.send(b"Subject: x\r\n\r\na\n.\nb\r\n", "user@beta.example")
    assert (answer.code, answer.enhanced) == (550, "5.6.0")


async def test_mail_waits_while_verification_cannot_be_made(world: World) -> None:
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    world.dns.misbehave(alpha.name, Behaviour.SERVFAIL)
    [answer] = await alpha.send(CONTENT, "user@beta.example")
    assert (answer.code, answer.enhanced) == (451, "4.7.1")
    assert beta.messages() == []


async def test_an_unregistered_sender_gets_a_final_word(world: World) -> None:
    gamma = await world.gateway("gamma.example", registered=False)
    beta = await world.gateway("beta.example")
    [answer] = await gamma.send(CONTENT, "user@beta.example")
    assert (answer.code, answer.enhanced) == (554, "5.7.1")
    assert "not registered" in answer.text
    assert beta.messages() == []


@pytest.mark.parametrize("count", [30])
async def test_many_messages_at_one_time(world: World, count: int) -> None:
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    answers = await asyncio.gather(
        *(
            alpha.send(b"Subject: %d\r\n\r\nx\r\n" % one, "user@beta.example")
            for one in range(count)
        )
    )
    assert {answer.code for [answer] in answers} == {250}, answers
    assert len(beta.messages()) == count


async def test_two_receivers_at_once(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    beta, delta = await world.gateway("beta.example"), await world.gateway("delta.example")
    answers = await asyncio.gather(
        *(alpha.send(CONTENT, "user@beta.example", "user@delta.example") for _ in range(10))
    )
    assert {answer.code for pair in answers for answer in pair} == {250}
    assert (len(beta.messages()), len(delta.messages())) == (10, 10)
