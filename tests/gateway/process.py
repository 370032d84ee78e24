"""A real gateway as an operator runs it: supervisor and workers, from a configuration file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.gateway.world import free_port, fresh_address


class GatewayProcess:
    def __init__(self, directory: Path, text: str, address: str, port: int) -> None:
        self.directory = directory
        self.address = address
        self.port = port
        self.config_file = directory / "gateway.toml"
        self.config_file.write_text(text)
        self.log_file = directory / "gateway.log"
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "countersign", "gateway", "--config", str(self.config_file)),
                stdout=log,
                stderr=log,
            )
        await self._wait_for_greeting()
        # A worker that greets may not be known as ready to its supervisor yet.
        await self.wait_for_log('"ready"')

    async def _wait_for_greeting(self) -> None:
        async with asyncio.timeout(60):
            while True:
                assert self.process.returncode is None, self.log_file.read_text()
                try:
                    reader, writer = await asyncio.open_connection(self.address, self.port)
                    if await reader.readline():
                        writer.close()
                        return
                except OSError:
                    await asyncio.sleep(0.02)

    async def wait_for_log(self, text: str, count: int = 1, timeout: float = 60) -> None:
        async with asyncio.timeout(timeout):
            while self.log_file.read_text().count(text) < count:
                assert self.process.returncode is None, self.log_file.read_text()
                await asyncio.sleep(0.02)

    def workers(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if _is_worker(int(child))]

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(40):
                await self.process.wait()


def _is_worker(pid: int) -> bool:
    try:
        return b"gateway-worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@asynccontextmanager
async def maildir_gateway(
    directory: Path, *, workers: int = 1, extra: str = "", receiving: str = ""
) -> AsyncIterator[GatewayProcess]:
    """A gateway for ``user@local.example`` that admits every loopback client unverified."""
    address, port = fresh_address(), free_port()
    (directory / "local.example" / "user").mkdir(parents=True)
    (directory / "registry.toml").write_text("server = []\n")
    text = f"""\
hostname = "mail.local.example"
state_directory = "{directory}/state"
workers = {workers}
shutdown_timeout = 5
{extra}
[receiving]
listen = ["{address}:{port}"]
max_connections_per_network = 100000
{receiving or 'allow = ["127.0.0.0/8"]'}
[receiving.backend]
kind = "maildir"
maildir = "{directory}/{{domain}}/{{local_part}}/Maildir"
domains = ["local.example"]
[sending]
enabled = false
[registry]
kind = "file"
path = "{directory}/registry.toml"
"""
    gateway = GatewayProcess(directory, text, address, port)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
