"""A gateway that keeps a replica of the registry: from the registrar's word to the refusal."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countersign.protocol.reply import Reply
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.lookup import Standing
from countersign.registry.zone.content import Listed, host_nodes
from tests.gateway.process import GatewayProcess, kill
from tests.gateway.test_verification import claim, open_id, send
from tests.gateway.world import Gateway, World, client_of, free_port, fresh_address
from tests.registry.replica.primary import Primary
from tests.registry.replica.running import KEY, meta_in, primary
from tests.registry.replica.zones import NAME, Zone

ALPHA = "mail.alpha.example"


class Receiver(GatewayProcess):
    """A gateway as an operator runs it, with what the tests' clients need of it."""

    name = "mail.beta.example"

    def __init__(self, world: World, source: Primary, extra: str = "") -> None:
        self.world = world
        directory = world.directory / "beta"
        (directory / "beta.example" / "user").mkdir(parents=True)
        key_file = directory / "replica.key"
        key_file.write_text(KEY.to_text())
        key_file.chmod(0o600)
        address = fresh_address()
        text = f"""\
hostname = "mail.beta.example"
state_directory = "{directory}/state"
workers = 1
shutdown_timeout = 5
[receiving]
listen = ["{address}:{world.port}"]
[receiving.backend]
kind = "maildir"
maildir = "{directory}/{{domain}}/{{local_part}}/Maildir"
domains = ["beta.example"]
[verification]
callback_port = {world.port}
callback_networks = ["127.0.0.0/8"]
unreachable_seconds = 0.1
attempts = 100000
blocked_attempts = 100000
[sending]
enabled = false
[dns]
nameservers = ["{world.dns.endpoint}"]
timeout = 1
lifetime = 2
[registry]
zone = "{NAME}"
[registry.replica]
primaries = ["{source.endpoint}"]
key_file = "{key_file}"
{extra}
"""
        super().__init__(directory, text, address, world.port)

    @property
    def copy(self) -> Path:
        return self.directory / "state" / "replica"

    def replicas(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [
            int(child)
            for child in children
            if b"gateway-replica" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    async def until_serial(self, serial: int) -> None:
        async with asyncio.timeout(30):
            while (meta := meta_in(self.copy)) is None or meta.serial != serial:
                assert self.process.returncode is None, self.log_file.read_text()
                await asyncio.sleep(0.01)

    async def claim(self, alpha: Gateway) -> Reply:
        session_id = await open_id(alpha, self.address)
        return await claim(self, alpha.name, session_id, alpha.address)  # type: ignore[arg-type]

    async def until_answer(self, alpha: Gateway, code: int) -> Reply:
        async with asyncio.timeout(30):
            while (answer := await self.claim(alpha)).code != code:
                await asyncio.sleep(0.01)
        return answer


@asynccontextmanager
async def receiver(world: World, source: Primary, extra: str = "") -> AsyncIterator[Receiver]:
    made = Receiver(world, source, extra)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def zone_with_alpha() -> Zone:
    zone = Zone()
    zone.register(ALPHA)
    return zone


async def test_a_suspension_and_its_end_reach_a_worker_by_questions_alone(world: World) -> None:
    alpha, zone = await world.gateway("alpha.example"), zone_with_alpha()
    async with primary(zone) as source, receiver(world, source) as beta:
        await beta.until_serial(zone.serial)
        await beta.until_answer(alpha, 250)
        for _ in range(3):
            zone.suspend(ALPHA)
            answer = await beta.until_answer(alpha, 554)
            assert "suspended" in answer.text
            zone.register(ALPHA)
            await beta.until_answer(alpha, 250)


async def test_notify_reaches_a_worker_before_the_next_question(world: World) -> None:
    alpha, zone = await world.gateway("alpha.example"), zone_with_alpha()
    hear = f"127.0.0.1:{free_port()}"
    extra = f'notify_listen = ["{hear}"]\npoll_seconds = 60'
    async with primary(zone) as source, receiver(world, source, extra) as beta:
        await beta.until_serial(zone.serial)
        await beta.until_answer(alpha, 250)
        zone.suspend(ALPHA)
        started = time.monotonic()
        await source.notify(hear)
        await beta.until_answer(alpha, 554)
        assert time.monotonic() - started < 30


async def test_the_gateway_goes_on_without_its_primary_and_without_its_replica(
    world: World,
) -> None:
    alpha, zone = await world.gateway("alpha.example"), zone_with_alpha()
    async with primary(zone) as source, receiver(world, source) as beta:
        await beta.until_serial(zone.serial)
        [worker], [first] = beta.workers(), beta.replicas()
        await source.stop()
        await beta.until_answer(alpha, 250)
        kill(first)
        await beta.until_answer(alpha, 250)
        await beta.wait_for_log("process ended")
        async with asyncio.timeout(10):
            while beta.replicas() in ([], [first]):
                await asyncio.sleep(0.02)
        await source.start()
        zone.suspend(ALPHA)
        await beta.until_answer(alpha, 554)
        assert beta.workers() == [worker]


async def test_a_reload_restarts_the_replica_and_the_supervisors_end_ends_it(
    world: World,
) -> None:
    zone = zone_with_alpha()
    async with primary(zone) as source, receiver(world, source) as beta:
        await beta.until_serial(zone.serial)
        [first] = beta.replicas()
        beta.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(20):
            while beta.replicas() in ([], [first]):
                await asyncio.sleep(0.02)
        [second] = beta.replicas()
        kill(beta.process.pid)
        await beta.process.wait()
        async with asyncio.timeout(10):
            while Path(f"/proc/{second}").exists() and not _is_zombie(second):
                await asyncio.sleep(0.02)


async def test_a_key_that_cannot_be_used_stops_the_replica_only_and_is_tried_again(
    world: World,
) -> None:
    zone = zone_with_alpha()
    async with primary(zone) as source:
        made = Receiver(world, source)
        key_file = made.directory / "replica.key"
        key_file.chmod(0o644)
        await made.start()
        try:
            async with asyncio.timeout(20):
                while "chmod o=" not in made.log_file.read_text():
                    await asyncio.sleep(0.02)
            assert len(made.workers()) == 1
            key_file.chmod(0o600)
            await made.until_serial(zone.serial)
        finally:
            await made.stop()


async def test_metrics_of_the_replica_are_the_gateways(world: World) -> None:
    import urllib.request

    zone, port = zone_with_alpha(), free_port()
    extra = f'[metrics]\nlisten = "127.0.0.1:{port}"'
    async with primary(zone) as source, receiver(world, source, extra) as beta:
        await beta.until_serial(zone.serial)

        def read() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())

        async with asyncio.timeout(10):
            while f"countersign_replica_serial {float(zone.serial)}" not in (
                text := await asyncio.to_thread(read)
            ):
                await asyncio.sleep(0.05)
        assert "countersign_replica_age_seconds" in text
        assert 'countersign_replica_transfers_total{kind="axfr",outcome="taken"} 1.0' in text


# -- a copy past its age limit ---------------------------------------------------------------


def write_copy(directory: Path, age: float, **standings: Standing) -> None:
    """A copy that was confirmed ``age`` seconds ago; names with ``_`` for dots."""
    with ZoneCopy.open(directory, writable=True) as copy, copy.replacing() as new:
        for name, standing in standings.items():
            listed = Listed(name.replace("_", "."), standing, reason="it sent spam")
            for key, node in host_nodes(listed, 300):
                new.put(key, node)
        new.commit(zone=NAME, serial=1, checked_at=time.time() - age)


async def stale_gateway(world: World, on_stale: str = "soft", **standings: Standing) -> Gateway:
    directory = world.directory / "copy"
    write_copy(directory, 7200, **standings)
    replica = {"directory": directory, "max_age_seconds": 3600, "on_stale": on_stale}
    return await world.gateway(
        "beta.example", registry={"kind": "replica", "zone": NAME, "replica": replica}
    )


async def test_a_stale_registration_is_proven_and_the_mail_is_marked(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    beta = await stale_gateway(world, mail_alpha_example=Standing.REGISTERED)
    session_id = await open_id(alpha, beta.address)
    async with client_of(beta, source=alpha.address, hello=alpha.name) as client:
        assert (await client.command(client.dialogue.session_id(session_id))).code == 250
        replies = await send(client, "user@beta.example", b"Subject: 1\r\n\r\nx\r\n")
        assert [reply.code for reply in replies] == [250, 250, 354, 250]
    [message] = beta.messages()
    assert b"\tx-countersign=pass smtp.helo=mail.alpha.example policy.registry=stale\r\n" in message
    samples = beta.parts.metrics.registry.get_sample_value
    assert samples("countersign_stale_verifications_total") == 1


async def test_a_stale_registration_proves_nothing_by_itself(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    beta = await stale_gateway(world, mail_alpha_example=Standing.REGISTERED)
    answer = await claim(beta, alpha.name, "x" * 128, alpha.address)
    assert answer.code == 554
    assert "does not know this session" in answer.text


async def test_a_stale_suspension_is_refused(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    beta = await stale_gateway(world, mail_alpha_example=Standing.SUSPENDED)
    session_id = await open_id(alpha, beta.address)
    answer = await claim(beta, alpha.name, session_id, alpha.address)
    assert answer.code == 554
    assert "suspended" in answer.text


async def test_a_host_that_a_stale_copy_does_not_know_waits_and_is_not_blocked(
    world: World,
) -> None:
    alpha = await world.gateway("alpha.example")
    beta = await stale_gateway(world)
    session_id = await open_id(alpha, beta.address)
    answer = await claim(beta, alpha.name, session_id, alpha.address)
    assert (answer.code, answer.enhanced) == (451, "4.7.1")
    assert await beta.parts.tables.blocks_of(alpha.address, time.time()) == []


@pytest.mark.parametrize(
    ("on_stale", "standing", "code"),
    [
        ("defer", Standing.REGISTERED, 451),
        ("defer", Standing.SUSPENDED, 451),
        ("accept", Standing.REGISTERED, 250),
        ("accept", Standing.SUSPENDED, 554),
    ],
)
async def test_an_operator_may_defer_all_or_take_all(
    world: World, on_stale: str, standing: Standing, code: int
) -> None:
    alpha = await world.gateway("alpha.example")
    beta = await stale_gateway(world, on_stale, mail_alpha_example=standing)
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == code


async def test_a_current_copy_needs_no_dns(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    beta = await stale_gateway(world, mail_alpha_example=Standing.REGISTERED)
    write_copy(world.directory / "copy", 0, mail_alpha_example=Standing.REGISTERED)
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 250
    assert (await claim(beta, "mail.unknown.example", "x" * 128, fresh_address())).code == 554


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
