"""The demo's probes: programs of their own, each from another loopback range (DESIGN §8)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countersign.demo.world import DNS_ADDRESS, DNS_PORT, DemoError

MAILBOX_ADDRESS = "127.53.0.26"
"""Where the registrar's test mailbox is: a server that relays would bring a message there."""
MAILBOX_HOST = "mx.victim.example"
FOREIGN_DOMAIN = "victim.example"
_START_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Place:
    """Where one probe stands."""

    name: str
    network: str
    address: str


PLACES = (
    Place("lisbon", "127.54.1.0/24", "127.54.1.1"),
    Place("nairobi", "127.54.2.0/24", "127.54.2.1"),
    Place("osaka", "127.54.3.0/24", "127.54.3.1"),
    Place("lima", "127.54.4.0/24", "127.54.4.1"),
)
"""Four, so that a server that is tested again meets another set of three."""


@dataclass(slots=True)
class DemoProbes:
    """Enrols and runs the probes."""

    directory: Path
    registrar: str
    """Address of the registrar's website."""
    _processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, tokens: Sequence[tuple[Place, str]]) -> None:
        """Enrol a probe with each token, and start it. Raises :class:`DemoError`."""
        await asyncio.gather(*(self._start(place, token) for place, token in tokens))

    async def stop(self) -> None:
        """Stop them all."""
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _start(self, place: Place, token: str) -> None:
        config = self.directory / f"probe-{place.name}.toml"
        config.write_text(self._config(place))
        where = ("--registrar", self.registrar, "--network", place.network)
        enrolling = await self._run(place, "enrol", *where, "--token", "-", "--config", str(config))
        answer = await self._finish(enrolling, token)
        if enrolling.returncode != 0:
            raise DemoError(f"the probe {place.name} was not enrolled: {answer.strip()}")
        self._processes.append(await self._run(place, "run", "--config", str(config)))

    async def _finish(self, process: asyncio.subprocess.Process, token: str) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                out, _ = await process.communicate(f"{token}\n".encode())
                return out.decode(errors="replace")
        process.kill()
        await process.wait()
        return "it took too long"

    async def _run(self, place: Place, *arguments: str) -> asyncio.subprocess.Process:
        is_enrolment = arguments[0] == "enrol"
        pipe = asyncio.subprocess.PIPE
        with (self.directory / f"probe-{place.name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "countersign", "probe", *arguments),
                stdin=pipe if is_enrolment else asyncio.subprocess.DEVNULL,
                stdout=pipe if is_enrolment else log,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def _config(self, place: Place) -> str:
        return f"""\
# One of the demo's probes.
state_directory = "{self.directory}/probe-{place.name}"

[standing]
sources = ["{place.address}"]
networks = ["127.53.0.0/16"]
nameservers = ["{DNS_ADDRESS}:{DNS_PORT}"]
"""
