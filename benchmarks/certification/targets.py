"""Mail servers to be tested, and the DNS that leads to them: one process, many addresses.

Usage: python -m benchmarks.certification.targets COUNT SECONDS_PER_OCTET
Prints the DNS server's endpoint and the port, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop
from tests.certification.servers import FaultyServer

from countersign.demo.dns_server import DnsServer

PEER = "mail.peer.example"
"""A foreign server on 127.0.0.1."""


def host(number: int) -> str:
    """Return the name of a target."""
    return f"mail.target-{number}.example"


async def serve(count: int, seconds_per_octet: float) -> None:
    dns = DnsServer("127.70.255.53", 0)
    await dns.start()
    for number in range(count):
        dns.set(host(number), "A", f"127.70.{number // 200}.{number % 200 + 1}")
        dns.set(f"target-{number}.example", "MX", f"10 {host(number)}.")
    dns.set(PEER, "A", "127.0.0.1")
    dns.set(PEER.partition(".")[2], "MX", f"10 {PEER}.")
    taken = {
        f"RCPT TO:<{local_part}@target-": "250 2.1.5 Ok" for local_part in ("postmaster", "abuse")
    }
    server = FaultyServer(clear=taken, in_tls=taken, seconds_per_octet=seconds_per_octet)
    with tempfile.TemporaryDirectory() as directory:
        # Every address of the loopback network leads to it.
        async with server.running(Path(directory), address="0.0.0.0"):
            print(dns.endpoint, server.port, flush=True)
            await asyncio.to_thread(sys.stdin.read)
    await dns.stop()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
