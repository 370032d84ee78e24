"""Probes as processes with a registrar as a process, and what happens when either is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import stat
from collections.abc import AsyncIterator

import pytest

from countersign.certification.outcome import BatteryResult
from tests.gateway.world import free_port
from tests.probe.world import MailServer, World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_an_order_is_fetched_carried_out_and_its_result_delivered(world: World) -> None:
    await world.registrar()
    file = world.probe_file("lima")
    number = await world.enrol(file)
    server = MailServer()
    async with server.running(world.smtp_port):
        probe = await world.probe(file)
        # It waits for orders already: the next one reaches it without another question.
        order = world.order(number, server)
        await probe.says("result delivered")
        result = BatteryResult.from_dict(world.ordered(order).result)
        assert result.addresses == (server.address,)
        assert {one.name for one in result.outcomes} >= {"address", "connection"}
        status = await world.run("probe", "status", "--config", str(file))
        assert await status.process.wait() == 0
        assert await probe.end() == 0
    status = await world.run("probe", "status", "--config", str(file))
    assert await status.process.wait() == 1
    key_file = world.directory / "lima" / "probe.json"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert json.loads(key_file.read_text())["private_key"] not in probe.log
    assert "token" not in probe.log


async def test_servers_are_tested_from_the_addresses_that_are_set(world: World) -> None:
    await world.registrar()
    file = world.probe_file("lima", standing='sources = ["127.0.7.1", "127.0.7.2"]')
    number = await world.enrol(file)
    server = MailServer()
    async with server.running(world.smtp_port):
        probe = await world.probe(file)
        world.order(number, server)
        await probe.says("result delivered")
    assert set(server.peers) == {"127.0.7.1", "127.0.7.2"}


@contextlib.asynccontextmanager
async def socks_server(source: str) -> AsyncIterator[str]:
    """Run microsocks, which connects from an address; gives its endpoint."""
    command = shutil.which("microsocks")
    if command is None:
        pytest.skip("needs microsocks")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(command, "-i", "127.0.0.1", "-p", str(port), "-b", source),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


@pytest.mark.peer
async def test_servers_are_tested_through_a_socks_proxy(world: World) -> None:
    await world.registrar()
    server = MailServer()
    async with server.running(world.smtp_port), socks_server("127.0.8.1") as endpoint:
        file = world.probe_file("lima", standing=f'socks = "{endpoint}"')
        number = await world.enrol(file)
        probe = await world.probe(file)
        world.order(number, server)
        await probe.says("result delivered")
    assert set(server.peers) == {"127.0.8.1"}


async def test_a_result_outlives_a_registrar_that_is_away_and_a_probe_that_is_killed(
    world: World,
) -> None:
    registrar = await world.registrar()
    file = world.probe_file("lima")
    number = await world.enrol(file)
    server = MailServer()
    server.gate.clear()
    async with server.running(world.smtp_port):
        probe = await world.probe(file)
        order = world.order(number, server)
        await server.connected.wait()
        await registrar.end(signal.SIGKILL)
        server.gate.set()
        await probe.says("a result is to be delivered again")
        await probe.end(signal.SIGKILL)
    kept = world.result_file("lima", order)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert world.ordered(order).result == {}
    await world.registrar()
    probe = await world.probe(file)
    await probe.says("result delivered")
    assert world.ordered(order).result["host"]
    assert await probe.end() == 0
    assert not kept.exists()
    assert world.notes("lima")["undelivered"] == []


async def test_an_order_in_whose_midst_the_probe_is_killed_is_taken_up_again(
    world: World,
) -> None:
    await world.registrar()
    file = world.probe_file("lima")
    number = await world.enrol(file)
    server = MailServer()
    server.gate.clear()
    async with server.running(world.smtp_port):
        probe = await world.probe(file)
        order = world.order(number, server)
        await server.connected.wait()
        await probe.end(signal.SIGKILL)
        server.gate.set()
        probe = await world.probe(file)
        await probe.says('"begun": 2')
        await probe.says("result delivered")
    assert world.ordered(order).result["host"]


async def test_at_a_stop_what_is_at_work_ends_and_is_delivered(world: World) -> None:
    await world.registrar()
    file = world.probe_file("lima")
    number = await world.enrol(file)
    server = MailServer()
    server.gate.clear()
    async with server.running(world.smtp_port):
        probe = await world.probe(file)
        order = world.order(number, server)
        await server.connected.wait()
        ending = asyncio.create_task(probe.end())
        await probe.says("probe stops")
        server.gate.set()
        assert await ending == 0
    assert world.ordered(order).result["host"]


async def test_a_registrar_does_not_wait_for_probes_that_wait_when_it_stops(world: World) -> None:
    registrar = await world.registrar()
    file = world.probe_file("lima")
    await world.enrol(file)
    probe = await world.probe(file)
    await probe.says("orders can be asked for")
    began = asyncio.get_running_loop().time()
    assert await registrar.end() == 0
    assert asyncio.get_running_loop().time() - began < 15
    await probe.says("no orders can be had")


async def test_a_second_probe_of_the_same_directory_is_refused(world: World) -> None:
    await world.registrar()
    file = world.probe_file("lima")
    await world.enrol(file)
    await world.probe(file)
    second = await world.run("probe", "--config", str(file))
    assert await second.process.wait() == 1
    await second.says("another probe runs")


async def test_no_more_orders_are_taken_than_there_is_room_for(world: World) -> None:
    await world.registrar()
    file = world.probe_file("lima", "concurrency = 2")
    number = await world.enrol(file)
    servers = [MailServer() for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            server.gate.clear()
            await stack.enter_async_context(server.running(world.smtp_port))
        orders = [world.order(number, server) for server in servers]
        probe = await world.probe(file)
        await probe.says("order taken", times=2)
        assert world.ordered(orders[2]).fetched_at is None
        for server in servers:
            server.gate.set()
        await probe.says("result delivered", times=3)
    assert all(world.ordered(order).result["host"] for order in orders)


@pytest.mark.slow
async def test_at_a_stop_what_does_not_end_is_given_up_and_taken_up_at_the_next_start(
    world: World,
) -> None:
    await world.registrar()
    file = world.probe_file("lima")
    number = await world.enrol(file)
    server = MailServer()
    server.gate.clear()
    async with server.running(world.smtp_port):
        probe = await world.probe(file)
        order = world.order(number, server, minutes=600)
        await server.connected.wait()
        began = asyncio.get_running_loop().time()
        assert await probe.end() == 0
        assert 25 < asyncio.get_running_loop().time() - began < 40
        assert (world.directory / "lima" / "orders" / f"{order}.json").exists()
        server.gate.set()
        probe = await world.probe(file)
        await probe.says("result delivered")
    assert world.ordered(order).result["host"]
