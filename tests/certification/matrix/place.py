"""Where the matrix runs: a DNS on port 53 and a test mailbox on port 25 of loopback addresses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from countersign.certification.outcome import Verdict
from countersign.demo.dns_server import DnsServer
from countersign.transport.certificate import make_self_signed
from tests.certification.matrix.arrivals import Arrivals
from tests.peers.mounts import with_resolver

FOREIGN = "victim.example"
"""No server of the matrix takes mail for it; its MX is the test mailbox."""
BACKED_UP = "backed-up.example"
"""Likewise, but one server of the matrix is a second MX of it."""
SOURCES = {"A": "127.71.0.1", "B": "127.72.0.1", "C": "127.73.0.1"}
"""Where the perspectives stand, each in a range of its own."""
ONLY_OURS = (
    "verification",
    "verification-sequence",
    "verification-syntax",
    "verification-suspension",
)
"""Tests that only a gateway of ours can pass."""
RANGE_OF_A = "127.71.0.0/16"


@dataclass(frozen=True)
class Running:
    """A server that listens."""

    host: str
    address: str
    port: int


@dataclass
class Place:
    """What all servers of the matrix share."""

    directory: Path
    dns: DnsServer
    arrivals: Arrivals

    @property
    def prefix(self) -> list[str]:
        """Command that gives a foreign server this DNS for its own."""
        return with_resolver(self.directory, self.dns.address)

    def host(self, name: str, address: str = "127.0.0.1") -> str:
        """Give a server names in the DNS: it is the MX of its own domain."""
        domain = f"{name}.example"
        host = f"mail.{domain}"
        self.dns.set(domain, "MX", f"10 {host}.")
        self.dns.set(host, "A", address)
        return host

    def pair(self, host: str) -> Path:
        """Return a file with a key and a certificate of the host."""
        path = self.directory / f"{host}.pem"
        if not path.exists():
            path.write_bytes(make_self_signed(host))
            path.chmod(0o644)
        return path

    def own_directory(self, host: str) -> Path:
        path = self.directory / host
        path.mkdir()
        return path


Start = Callable[[Place], AbstractAsyncContextManager[Running]]


@dataclass(frozen=True)
class State:
    """A server in a known state, and what must come of it."""

    name: str
    start: Start
    expected: Verdict
    seen: str = ""
    """What A, B and C must see: letters of passed, failed (f), proven (P), nothing; empty: the
    same three times."""
    failed: frozenset[str] = frozenset()
    """Tests that must be among those that failed."""
    battery: dict[str, Any] = field(default_factory=dict)
    """Changes to the settings of the battery."""


@asynccontextmanager
async def open_place() -> AsyncIterator[Place]:
    """Run DNS and test mailbox. Needs root, for their ports."""
    # Two runs at one time do not meet: each has a network of its own.
    network = f"127.{random.randint(80, 250)}.{random.randint(0, 250)}"
    dns = DnsServer(f"{network}.53", 53)
    arrivals = Arrivals()
    async with AsyncExitStack() as stack:
        await dns.start()
        stack.push_async_callback(dns.stop)
        for domain, address in ((FOREIGN, f"{network}.25"), (BACKED_UP, f"{network}.26")):
            await stack.enter_async_context(arrivals.mailbox(domain, address))
            dns.set(domain, "MX", f"10 mx.{domain}.")
            dns.set(f"mx.{domain}", "A", address)
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="countersign-matrix-")))
        # The servers' own users must be able to pass through.
        directory.chmod(0o755)
        yield Place(directory, dns, arrivals)


async def in_thread(manager: Any) -> Any:
    """Enter a context manager whose start blocks, while the DNS goes on answering."""
    return await asyncio.to_thread(manager.__enter__)


async def leave_in_thread(manager: Any) -> None:
    await asyncio.to_thread(manager.__exit__, None, None, None)


async def wait_for_greeting(address: str, port: int) -> None:
    """Return when a server greets. Raises :class:`TimeoutError`."""
    async with asyncio.timeout(60):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            greeting = await reader.readline()
            writer.close()
            if greeting:
                return
