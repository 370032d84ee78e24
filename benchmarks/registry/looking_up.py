"""Look-ups in the replica, against DNS queries to Knot and rbldnsd on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
from dns.rdatatype import RdataType
from tests.peers.dns_peer import DnsPeer
from tests.peers.rbldnsd import Rbldnsd

from benchmarks.processes import cpu_seconds
from benchmarks.registry.bare_dns import BareDns
from benchmarks.registry.figures import Figure, Part, Steps, paired
from benchmarks.registry.knots import LoadingKnot
from benchmarks.registry.made_zone import SERIAL, ZONE, MadeZone
from benchmarks.registry.reader import open_registry
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.copy_lookup import CopyRegistry
from countersign.registry.dns_client import DnsClient
from countersign.registry.lookup import Registry, Standing
from countersign.registry.name_list import NameListRegistry
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.content import LISTED
from countersign.registry.zone.names import host_key
from countersign.registry.zone.records import A, make_node, record, text_record

_ROUNDS = 5
_FINDS, _QUERIES, _GATEWAY_QUERIES = 200_000, 15_000, 1_500
_NAMES = {"knotd": "Knot", "rbldnsd": "rbldnsd"}
_AT_ONCE = 16
_LOAD_SECONDS = 600.0
_READERS = 2
_READ_SECONDS = 5
_AIM = ">= 20"

Names = list[tuple[str, bool]]


@dataclass
class Rates:
    """Of one round, each per second."""

    wall: float
    cpu: float
    """Per second of this process's own CPU: what the server spends counts for nothing."""


def measure(names: int, directory: Path, steps: Steps) -> Part:
    """Measure with a zone of so many names."""
    zone = MadeZone(names)
    apex = zone.write_copy(directory / "copy", steps.begin(f"writing a copy of {names:,}", names))
    knot = LoadingKnot(ZONE)
    zone.write_zone_file(knot.zone_file, apex, steps.begin("writing a zone file", names))
    steps.begin("starting Knot and rbldnsd")
    figures: list[Figure] = []
    with knot, Rbldnsd(ZONE, {"dnset": zone.name_list()}, check_seconds=3600) as rbldnsd:
        knot.wait_until_loaded(_LOAD_SECONDS)
        registry = open_registry(directory / "copy")
        for server in (knot, rbldnsd):
            figures.append(asyncio.run(_gateway(zone, registry, server, steps)))
            figures += _bare(zone, registry, server, steps)
        asyncio.run(registry.aclose())
    figures.append(_beside_a_writer(names, directory / "copy", steps))
    return Part(
        f"Look-ups among {names:,} names, median of {_ROUNDS} rounds", figures, {"names": names}
    )


def _bare(
    zone: MadeZone, registry: CopyRegistry, server: DnsPeer, steps: Steps
) -> Iterator[Figure]:
    """Each per CPU second: on a machine with other work, seconds say little."""
    name = _NAMES[server.program]
    advance = steps.begin(f"find, and queries by hand to {name}", _ROUNDS)
    library, one, both, many = [], [], [], []
    with BareDns(server.listen, ZONE) as bare:
        for number in range(_ROUNDS):
            ours = _find(registry, zone.sample(_FINDS, number)).cpu
            some = zone.sample(_QUERIES, number + 100)
            few = some[:_GATEWAY_QUERIES]
            library.append((ours, _ask(_by_library(server.listen), few, server.process_id)))
            one.append((ours, _ask(bare.is_listed, some, server.process_id)))
            both.append((ours, _ask(bare.is_listed_with_text, some, server.process_id)))
            many.append((ours, _ask_many(bare, some)))
            advance(1)
    unit = "per CPU second"
    yield paired("find", unit, f"A by dnspython to {name}, its CPU too", library, _AIM)
    yield paired("find", unit, f"A and TXT by hand to {name}, its CPU too", both, _AIM)
    yield paired("find", unit, f"A by hand to {name}, its CPU too", one, _AIM)
    yield paired("find", unit, f"A by hand, 64 at once, to {name}, only the asker's CPU", many)


def _find(registry: CopyRegistry, names: Names) -> Rates:
    find = registry.find
    with _timed(len(names)) as rates:
        for name, is_listed in names:
            if (find(name).standing is Standing.REGISTERED) is not is_listed:
                raise RuntimeError("a wrong answer of the copy")
    return rates


def _ask(is_listed: Callable[[str], bool], names: Names, server: int) -> float:
    """Return questions per CPU second of asker and server."""
    served = cpu_seconds(server)
    with _timed(len(names)) as rates:
        for name, expected in names:
            if is_listed(name) is not expected:
                raise RuntimeError("a wrong answer of the server")
    return 1 / (1 / rates.cpu + (cpu_seconds(server) - served) / len(names))


def _by_library(endpoint: str) -> Callable[[str], bool]:
    """Return what asks as a program does that uses a library, one question at a time."""
    address, _, port = endpoint.rpartition(":")

    def is_listed(hostname: str) -> bool:
        query = dns.message.make_query(f"{hostname}.{ZONE}.", RdataType.A)
        return bool(dns.query.udp(query, address, timeout=5, port=int(port)).answer)

    return is_listed


def _ask_many(bare: BareDns, names: Names) -> float:
    hostnames = [name for name, _ in names]
    with _timed(len(names)) as rates:
        listed = bare.are_listed(hostnames)
    if listed != sum(is_listed for _, is_listed in names):
        raise RuntimeError("wrong answers of the server")
    return rates.cpu


async def _gateway(zone: MadeZone, registry: CopyRegistry, server: DnsPeer, steps: Steps) -> Figure:
    """As a gateway asks: A and TXT through its resolver, some names at one time."""
    name = _NAMES[server.program]
    advance = steps.begin(f"look_up, and the gateway's look-ups by DNS to {name}", _ROUNDS)
    pairs = []
    for number in range(_ROUNDS):
        # New for each round, so that no answer is in its cache.
        client = DnsClient([server.listen], timeout=5, lifetime=10)
        ours = await _look_up(registry, zone.sample(_FINDS, number + 300))
        names = zone.sample(_GATEWAY_QUERIES, number + 400)
        theirs = await _look_up(NameListRegistry(ZONE, client), names)
        pairs.append((ours.cpu, theirs.cpu))
        advance(1)
    peer = f"the gateway's by DNS to {name}, only its own CPU"
    return paired("look_up", "per CPU second", peer, pairs, _AIM)


async def _look_up(registry: Registry, names: Names) -> Rates:
    remaining = iter(names)

    async def ask() -> None:
        for name, is_listed in remaining:
            entry = await registry.look_up(name)
            if (entry.standing is Standing.REGISTERED) is not is_listed:
                raise RuntimeError("a wrong answer")

    with _timed(len(names)) as rates:
        await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
    return rates


@contextlib.contextmanager
def _timed(count: int) -> Iterator[Rates]:
    rates = Rates(0, 0)
    wall, cpu = time.perf_counter(), time.process_time()
    yield rates
    rates.wall = count / (time.perf_counter() - wall)
    rates.cpu = count / max(time.process_time() - cpu, 1e-6)


# -- several readers and a writer ------------------------------------------------------------


def _beside_a_writer(names: int, directory: Path, steps: Steps) -> Figure:
    steps.begin(f"{_READERS} readers alone, then beside a writer")
    alone = _readers(names, directory, lambda: None)
    commits = 0

    def write() -> None:
        nonlocal commits
        commits += 1
        _change(copy, commits)

    with ZoneCopy.open(directory, writable=True) as copy:
        beside = _readers(names, directory, write)
    return Figure(
        f"find in {_READERS} processes beside {commits / _READ_SECONDS:.0f} commits a second",
        "per CPU second",
        beside,
        alone,
        "the same without a writer",
    )


def _readers(names: int, directory: Path, write: Callable[[], None]) -> float:
    """Return look-ups per CPU second of all readers together."""
    processes = []
    for seed in range(_READERS):
        command = [sys.executable, "-m", "benchmarks.registry.reader", str(directory)]
        command += [str(names), str(_READ_SECONDS), str(seed)]
        processes.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("a reader did not start")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    while any(process.poll() is None for process in processes):
        write()
        with contextlib.suppress(subprocess.TimeoutExpired):
            processes[0].wait(0.001)
    found = [json.loads(process.communicate()[0]) for process in processes]
    return float(sum(one["count"] for one in found) / sum(one["cpu"] for one in found))


def _change(copy: ZoneCopy, number: int) -> None:
    """Add a server, or take the last one away again."""
    key = host_key("mail.added.zz")
    node = make_node([record(A, 300, LISTED), text_record(300, "v=countersign1")])
    change = NodeChange(key, b"", node) if number % 2 else NodeChange(key, node, b"")
    meta = CopyMeta(ZONE, SERIAL + number, 0, b"", time.time(), time.time(), "made up")
    copy.apply([change], meta)
