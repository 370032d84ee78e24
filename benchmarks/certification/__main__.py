"""make bench-certification: servers tested per minute, and 1,000 at one time (needs root).

Usage: python -m benchmarks.certification [--servers 60] [--at-once 1000]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, missing_reason

from benchmarks.certification.targets import PEER
from benchmarks.processes import cpu_seconds
from benchmarks.registry.figures import Figure, Part, Steps, write
from countersign.transport.certificate import make_self_signed

RESULTS = Path("benchmarks/results/certification.json")
_MIB = 2**20
_TARPIT_SECONDS_PER_OCTET = 0.5
_TARPIT_TIMEOUT = 2.0
_PATTERN = "mail.target-{}.example"


def main() -> None:
    """Measure, print tables and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=60, help="batteries against Postfix")
    parser.add_argument("--at-once", type=int, default=1000, help="targets at one time")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    if reason := missing_reason():
        console.print(f"[red]make bench-certification:[/] {reason}")
        sys.exit(2)
    with Steps(console) as steps:
        parts = {
            "throughput": _throughput(options.servers, steps),
            "many targets": _many(options.at_once, steps),
        }
    for part in parts.values():
        console.print(part.table())
    write(RESULTS, parts)
    console.print(f"Written to {RESULTS}")


def _throughput(count: int, steps: Steps) -> Part:
    """Test one Postfix again and again, eight batteries at a time."""
    part = Part(f"{count} batteries against a closed Postfix, eight at one time")
    steps.begin(part.title, None)
    with _targets(1, 0) as (nameserver, _), tempfile.TemporaryDirectory() as directory:
        port = free_port()
        pair = Path(directory) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(make_self_signed(PEER))
        settings = {
            "smtpd_client_connection_rate_limit": 0,
            "smtpd_client_connection_count_limit": 0,
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": pair,
        }
        with Postfix(PEER, f"127.0.0.1:{port}", settings=settings) as postfix:
            pid = int((postfix.directory / "queue/pid/master.pid").read_text())
            before = cpu_seconds(pid)
            found = _test(count, 8, port, nameserver, PEER, 30)
            theirs = cpu_seconds(pid) - before
    per_minute = count / found["seconds"] * 60
    part.figures.append(
        Figure("CPU for one battery", "s", found["cpu"] / count, theirs / count, "Postfix, tested")
    )
    part.facts |= {"servers per minute and probe": per_minute, "verdicts": found["verdicts"]}
    return part


def _many(count: int, steps: Steps) -> Part:
    """Test targets at one time, one by one first; then as many that answer octet by octet."""
    part = Part(f"{count:,} targets at one time")
    steps.begin(part.title, None)
    with _targets(10, 0) as (nameserver, port):
        alone = _test(10, 1, port, nameserver, _PATTERN, 60)
    with _targets(count, 0) as (nameserver, port):
        found = _test(count, count, port, nameserver, _PATTERN, 60)
    with _targets(count, _TARPIT_SECONDS_PER_OCTET) as (nameserver, port):
        slow = _test(count, count, port, nameserver, _PATTERN, _TARPIT_TIMEOUT)
    each = (found["peak"] - alone["peak"]) / count / _MIB
    least, cost = alone["peak"] / _MIB, alone["cpu"] / 10
    part.figures += [
        Figure("Peak memory", "MiB", found["peak"] / _MIB, least, "one at a time"),
        Figure("Peak memory, tarpits", "MiB", slow["peak"] / _MIB, least, "one at a time"),
        Figure("CPU for one battery", "s", found["cpu"] / count, cost, "one at a time"),
    ]
    part.facts |= {
        "MiB for each target": each,
        "servers per minute": count / found["seconds"] * 60,
        "verdicts": found["verdicts"],
        "troubles": found["troubles"],
        "verdicts of tarpits": slow["verdicts"],
    }
    return part


def _test(
    count: int, at_once: int, port: int, nameserver: str, pattern: str, timeout: float
) -> dict[str, Any]:
    arguments = (str(count), str(at_once), str(port), nameserver, pattern, str(timeout))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.certification.tester", *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def _targets(count: int, seconds_per_octet: float) -> Iterator[tuple[str, int]]:
    """Run targets; give the DNS server's endpoint and the port that they listen on."""
    arguments = (str(count), str(seconds_per_octet))
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.certification.targets", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        try:
            endpoint, port = process.stdout.readline().split()
            yield endpoint, int(port)
        finally:
            process.stdin.close()
            process.wait(30)


if __name__ == "__main__":
    main()
