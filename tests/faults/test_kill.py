"""kill -9 at any point: what was acknowledged is there, complete (DESIGN §4, Delivery)."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from countersign.transport.conversation import ConversationError, connect
from tests.gateway.process import GatewayProcess, kill, maildir_gateway

KILLS = 200
CLIENTS = 4
LINE = b"0123456789abcdef" * 4 + b"\r\n"


async def send(gateway: GatewayProcess, number: int, lines: int) -> bool:
    """Send one numbered message in pieces; True if it was acknowledged."""
    try:
        conversation = await connect(gateway.address, gateway.port, timeout=30, reply_timeout=30)
    except ConversationError:
        return False
    try:
        dialogue = conversation.dialogue
        await conversation.greeting()
        await conversation.hello("client.example")
        for octets in (dialogue.mail("<>"), dialogue.rcpt("<user@local.example>"), dialogue.data()):
            reply = await conversation.command(octets)
            assert reply.code in (250, 354), reply
        await conversation.send_content(b"Subject: %d\r\n\r\n" % number)
        for _ in range(lines // 50):
            await conversation.send_content(LINE * 50)
            await asyncio.sleep(0)
        await conversation.send_content(b"end %d\r\n" % number)
        return (await conversation.command(dialogue.end_of_content())).code == 250
    except ConversationError:
        return False
    finally:
        conversation.stream.abort()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_every_acknowledged_message_survives_200_kills(tmp_path: Path) -> None:
    chance = random.Random(20)
    acknowledged: dict[int, int] = {}
    numbers = iter(range(10**9))
    stop = False

    async def client(gateway: GatewayProcess) -> None:
        while not stop:
            number, lines = next(numbers), chance.choice((50, 500, 3000))
            if await send(gateway, number, lines):
                acknowledged[number] = lines
            else:
                await asyncio.sleep(0.01)

    async with maildir_gateway(tmp_path, workers=4) as gateway:
        clients = [asyncio.create_task(client(gateway)) for _ in range(CLIENTS)]
        killed = 0
        while killed < KILLS:
            await asyncio.sleep(chance.uniform(0, 0.05))
            # Two of four stay, so that mail flows all the while.
            for worker in chance.sample(gateway.workers(), 2):
                kill(worker)
                killed += 1
            await gateway.wait_for_log("worker replaced", killed)
        stop = True
        await asyncio.gather(*clients)
    kept = {}
    for path in (tmp_path / "local.example/user/Maildir/new").iterdir():
        content = path.read_bytes()
        number = int(content.partition(b"Subject: ")[2].partition(b"\r\n")[0])
        kept[number] = content
    assert len(acknowledged) > KILLS / 4
    for number, lines in acknowledged.items():
        body = kept[number].partition(b"\r\n\r\n")[2]
        assert body == LINE * 50 * (lines // 50) + b"end %d\r\n" % number
    for content in kept.values():
        assert b"\r\nend " in content, "nothing incomplete is ever in new/"


async def test_connections_wait_in_the_queue_of_a_killed_worker(tmp_path: Path) -> None:
    async with maildir_gateway(tmp_path, workers=1) as gateway:
        [worker] = gateway.workers()
        kill(worker)
        results = await asyncio.gather(*(send(gateway, number, 50) for number in range(10)))
        # A connection that the dying worker had taken is lost; the others are served.
        assert sum(results) >= 9
        await gateway.wait_for_log("worker replaced")


async def test_a_graceful_stop_finishes_the_dialogue_and_takes_no_new_one(tmp_path: Path) -> None:
    async with maildir_gateway(tmp_path, workers=1) as gateway:
        conversation = await connect(gateway.address, gateway.port, timeout=30, reply_timeout=60)
        idle = await connect(gateway.address, gateway.port, timeout=30, reply_timeout=60)
        await idle.greeting()
        await conversation.greeting()
        dialogue = conversation.dialogue
        await conversation.hello("client.example")
        for octets in (dialogue.mail("<>"), dialogue.rcpt("<user@local.example>"), dialogue.data()):
            await conversation.command(octets)
        gateway.process.terminate()
        assert (await asyncio.wait_for(idle.stream.read(), 30)).startswith(b"421 4.3.2")
        await conversation.send_content(b"Subject: late\r\n\r\nx\r\n")
        assert (await conversation.command(dialogue.end_of_content())).code == 250
        assert conversation.dialogue.server_left or await conversation.stream.read()
        assert await gateway.process.wait() == 0
    assert len(list((tmp_path / "local.example/user/Maildir/new").iterdir())) == 1


async def test_reload_takes_a_new_configuration_and_keeps_the_old_one_if_it_is_bad(
    tmp_path: Path,
) -> None:
    import signal

    async with maildir_gateway(tmp_path, workers=1) as gateway:
        [before] = gateway.workers()
        good = gateway.config_file.read_text()
        gateway.config_file.write_text(good + "\n[nonsense]\n")
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.wait_for_log("not reloaded")
        assert gateway.workers() == [before]
        gateway.config_file.write_text(good.replace("mail.local.example", "new.local.example", 1))
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.wait_for_log('"reloaded"')
        conversation = await connect(gateway.address, gateway.port, timeout=30, reply_timeout=60)
        assert (await conversation.greeting()).text.startswith("new.local.example")
        started = time.monotonic()
        while before in gateway.workers():
            assert time.monotonic() - started < 60
            await asyncio.sleep(0.05)
