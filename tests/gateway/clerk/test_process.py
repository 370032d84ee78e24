"""The clerk runs beside the workers, as the replica does."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.gateway.process import GatewayProcess, kill, maildir_gateway

ENABLED = "[milter]\nenabled = true\nlisten = []\n"


def clerks(gateway: GatewayProcess) -> list[int]:
    pid = gateway.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"gateway-clerk" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


async def test_a_clerk_that_is_killed_is_replaced_and_ends_with_the_gateway(tmp_path: Path) -> None:
    async with maildir_gateway(tmp_path, extra=ENABLED) as gateway:
        await gateway.wait_for_log('"journal head"')
        [first] = clerks(gateway)
        kill(first)
        await gateway.wait_for_log('"journal head"', count=2)
        [second] = clerks(gateway)
        assert second != first
    assert "clerk has stopped" in gateway.log_file.read_text()


async def test_a_clerk_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    async with maildir_gateway(tmp_path, extra=ENABLED) as gateway:
        await gateway.wait_for_log('"journal head"')
        [clerk] = clerks(gateway)
        gateway.process.kill()
        await gateway.process.wait()
        async with asyncio.timeout(10):
            while Path(f"/proc/{clerk}").exists():
                await asyncio.sleep(0.02)


async def test_a_reload_starts_the_clerk_or_ends_it(tmp_path: Path) -> None:
    async with maildir_gateway(tmp_path) as gateway:
        assert clerks(gateway) == []
        without = gateway.config_file.read_text()
        gateway.config_file.write_text(without + ENABLED)
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.wait_for_log('"journal head"')
        assert len(clerks(gateway)) == 1
        gateway.config_file.write_text(without)
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.wait_for_log("clerk has stopped")
        await gateway.wait_for_log('"reloaded"', count=2)
        assert clerks(gateway) == []
