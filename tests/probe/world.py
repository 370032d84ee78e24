"""A registrar as a process, mail servers to test, and probes as processes, all on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from countersign.demo.dns_server import DnsServer
from countersign.registrar.operations.office import Office
from countersign.storage.database.probing import ProbeOrder
from tests.gateway.world import free_port, fresh_address
from tests.probe import rows

NETWORK = "127.0.0.0/8"
SECONDS = 60.0
"""In which anything must have happened."""


class Program:
    """A running `countersign …`, whose log is read."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._grown = asyncio.Condition()
        self.log = ""

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "countersign", *self._arguments),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        while more := await self.process.stderr.read(65536):
            async with self._grown:
                self.log += more.decode()
                self._grown.notify_all()
        async with self._grown:
            self._grown.notify_all()

    async def says(self, words: str, times: int = 1) -> None:
        """Wait until the log has said something so often."""

        def is_over() -> bool:
            return self.log.count(words) >= times or self._reading.done()

        try:
            async with asyncio.timeout(SECONDS), self._grown:
                await self._grown.wait_for(is_over)
        except TimeoutError:
            pass
        assert self.log.count(words) >= times, f"{words!r} is not in:\n{self.log}"

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(SECONDS):
            status = await self.process.wait()
            await self._reading
        return status


class MailServer:
    """An old server without TLS, which may keep its clients waiting."""

    def __init__(self) -> None:
        self.address = fresh_address()
        self.peers: list[str] = []
        self.connected = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    @asynccontextmanager
    async def running(self, port: int) -> AsyncIterator[MailServer]:
        server = await asyncio.start_server(self._serve, self.address, port)
        try:
            yield self
        finally:
            self.gate.set()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers.append(writer.get_extra_info("peername")[0])
        self.connected.set()
        await self.gate.wait()
        with contextlib.suppress(OSError):
            writer.write(b"220 old.example.org ESMTP\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                known = {b"EHLO": b"250 old.example.org\r\n", b"QUIT": b"221 Bye\r\n"}
                writer.write(known.get(verb, b"502 No\r\n"))
                await writer.drain()
                if verb == b"QUIT":
                    break
        writer.close()


class World:
    """All of it."""

    def __init__(self, office: Office, directory: Path) -> None:
        self.office = office
        self.directory = directory
        self.smtp_port = free_port()
        self.web_port = free_port()
        self.url = f"http://localhost:{self.web_port}"
        self.dns = DnsServer("127.0.0.1", 0)
        self.programs: list[Program] = []
        self.registrar_file = directory / "registrar.toml"
        config = office.config
        self.registrar_file.write_text(
            f'url = "{self.url}"\nlisten = "127.0.0.1:{self.web_port}"\njobs = 0\n'
            f'state_directory = "{config.state_directory}"\ndatabase = "{config.database}"\n'
            f"primary.inside = false\n"
            f"[certification]\nport = {self.smtp_port}\nsubmission_port = 0\n"
            f"submissions_port = 0\npause = 0\nretry_seconds = 0\nrest_seconds = 0\ntimeout = 60\n"
            f'mailbox.listen = ["127.0.0.1:{free_port()}"]\n'
        )

    async def registrar(self) -> Program:
        """Start the registrar."""
        program = await self.run("registrar", "--config", str(self.registrar_file))
        await program.says("registrar serves")
        return program

    async def run(self, *arguments: str) -> Program:
        program = Program(*arguments)
        self.programs.append(program)
        await program.start()
        return program

    def probe_file(self, name: str, text: str = "", standing: str = "") -> Path:
        """Write the configuration of a probe."""
        file = self.directory / f"{name}.toml"
        file.write_text(
            f'state_directory = "{self.directory}/{name}"\n{text}\n'
            f'[standing]\nnetworks = ["127.0.0.0/8"]\n'
            f'nameservers = ["{self.dns.endpoint}"]\n{standing}\n'
        )
        return file

    async def enrol(self, file: Path) -> int:
        """Invite and enrol a probe by the command; return its number."""
        number, token = rows.invite(self.office, file.stem, NETWORK)
        program = await self.run(
            *("probe", "enrol", "--config", str(file), "--registrar", self.url),
            *("--token", token, "--network", NETWORK),
        )
        assert await program.process.wait() == 0, program.log
        return number

    async def probe(self, file: Path) -> Program:
        """Start a probe."""
        program = await self.run("probe", "--config", str(file))
        await program.says('"event": "probe"')
        return program

    def order(self, probe: int, server: MailServer, **options: Any) -> int:
        """Order a test of a server."""
        name = f"mail{server.address.replace('.', '-')}.muller.com.au"
        self.dns.set(name, "A", server.address)
        return rows.add_order(self.office, probe, name, **options)

    def ordered(self, order: int) -> ProbeOrder:
        return rows.order_of(self.office, order)

    def result_file(self, name: str, order: int) -> Path:
        return self.directory / name / "results" / f"{order}.json"

    def notes(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / name / "state.json").read_text())
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        await self.dns.start()
        try:
            yield self
        finally:
            for program in self.programs:
                if program.process.returncode is None:
                    await program.end(signal.SIGKILL)
            await self.dns.stop()
