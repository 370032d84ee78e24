"""From the commit of a decision until secondaries and replicas answer it; against Knot as primary.

The secondaries are the same for both: each is a Knot with two zones, one from the registrar's
primary and one of the same content from a Knot. The zone is a small one: a Knot takes about a
second of CPU to apply a change to a zone of half a million records, and all are on one machine.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dns.update import UpdateMessage
from tests.gateway.world import free_port
from tests.peers.dns_peer import Peer

from benchmarks.registry.bare_dns import BareDns
from benchmarks.registry.figures import Figure, Part, Steps, quantile
from benchmarks.registry.knots import SecondaryKnot, UpdatedKnot
from benchmarks.registry.made_zone import ZONE
from benchmarks.registry.reader import open_registry
from benchmarks.registry.registrar import Registrar, write_zone_file
from countersign.registrar.operations import secondaries
from countersign.registrar.operations.office import SYSTEM
from countersign.registrar.operations.secondary_details import Details
from countersign.registry.lookup import RegistryUnavailableError, Standing
from countersign.registry.transfer.keys import TsigKey
from countersign.storage.database.replication import SecondaryKind

KNOT_ZONE = "knot.example"
_SECONDS = 600.0
_LONGEST = 30.0
_PAUSE = 0.002
"""Seconds between two rounds of questions to all who have not answered the new state yet."""
_POLLING, _NOTIFIED = "replica that asks each second", "replica that takes NOTIFY"

Watch = Callable[[str], bool]
"""Tells whether a host is listed."""


@dataclass
class Stage:
    """Lags in seconds with one number of secondaries."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    replicas: dict[str, list[float]] = field(default_factory=dict)


class Service:
    """The registrar's service as a process."""

    def __init__(self, registrar: Registrar) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.registry.deciding", str(registrar.config_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def decide(self, verb: str, key: int) -> float:
        """Suspend or reinstate; return the moment of the commit."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {key}\n")
        self._process.stdin.flush()
        return float(self._read())

    def stop(self) -> None:
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the registrar's service ended")
        return line.strip()


def measure(
    registrar: Registrar,
    servers: int,
    counts: list[int],
    decisions: int,
    directory: Path,
    steps: Steps,
) -> Part:
    """Measure with each number of secondaries."""
    figures: list[Figure] = []
    facts: dict[str, float] = {"decisions": decisions}
    with contextlib.ExitStack() as stack:
        steps.begin("starting the registrar's service")
        service = Service(registrar)
        stack.callback(service.stop)
        world = World(registrar, service, stack, directory)
        replicas = {
            _POLLING: world.add_replica("polling", notified=False),
            _NOTIFIED: world.add_replica("notified", notified=True),
        }
        for stage, count in enumerate(sorted(counts), 1):
            steps.begin(f"starting secondaries up to {count}, and Knot as their other primary")
            world.grow(count)
            with world.knot_primary(stage) as knot:
                advance = steps.begin(f"{decisions} decisions, secondaries: {count}", decisions)
                lags = _stage(world, knot, replicas, decisions, advance)
            figures += _figures(count, lags)
            facts[f"load average with {count}"] = round(os.getloadavg()[0], 1)
    return Part(f"From the commit until the answer: {servers:,} servers", figures, facts)


def _figures(count: int, lags: Stage) -> Iterator[Figure]:
    name = "1 secondary" if count == 1 else f"each of {count} secondaries"
    for share in (0.5, 0.99):
        aim = "ours < 2 s" if share == 0.99 else "-"
        theirs = quantile(lags.theirs, share)
        ours = quantile(lags.ours, share)
        yield Figure(f"{name}, p{share * 100:.0f}", "s", ours, theirs, "Knot as primary", aim)
    for replica, values in lags.replicas.items():
        for share in (0.5, 0.99):
            what = f"{replica}, p{share * 100:.0f}, beside {count}"
            aim = "ours < 2 s" if share == 0.99 else "-"
            peer = "secondaries of Knot"
            ours, theirs = quantile(values, share), quantile(lags.theirs, share)
            yield Figure(what, "s", ours, theirs, peer, aim)


def _stage(
    world: World,
    knot: UpdatedKnot,
    replicas: dict[str, Watch],
    decisions: int,
    advance: Callable[[int], None],
) -> Stage:
    lags = Stage(replicas={name: [] for name in replicas})
    draw = random.Random(decisions)
    lively = world.registrar.lively
    with contextlib.ExitStack() as stack:
        ours = [stack.enter_context(BareDns(one.listen, ZONE)) for one in world.knots]
        theirs = [stack.enter_context(BareDns(one.listen, KNOT_ZONE)) for one in world.knots]
        watches: dict[object, Watch] = {number: one.is_listed for number, one in enumerate(ours)}
        watches.update(replicas)
        knots: dict[object, Watch] = {number: one.is_listed for number, one in enumerate(theirs)}
        for number in range(decisions):
            key, hostname = lively[number // 2 % len(lively)]
            is_listed = bool(number % 2)
            # So that decisions fall anywhere between two looks of whoever looks regularly.
            time.sleep(draw.random())
            at = world.service.decide("reinstate" if is_listed else "suspend", key)
            for name, lag in _wait(watches, hostname, is_listed=is_listed, since=at).items():
                (lags.replicas[name] if isinstance(name, str) else lags.ours).append(lag)
            at = _decide_on_knot(knot, hostname, is_listed=is_listed)
            lags.theirs += _wait(knots, hostname, is_listed=is_listed, since=at).values()
            advance(1)
    return lags


def _decide_on_knot(knot: UpdatedKnot, hostname: str, *, is_listed: bool) -> float:
    """Make the same change in Knot's zone; return the moment before."""
    text = "v=countersign1" if is_listed else "v=countersign1; reason=Spam was sent from it."
    message = UpdateMessage(f"{KNOT_ZONE}.")
    message.replace(hostname, 300, "TXT", f'"{text}"')
    if is_listed:
        message.add(hostname, 300, "A", "127.0.0.2")
    else:
        message.delete(hostname, "A")
    at = time.monotonic()
    knot.update([message])
    return at


def _wait(
    watches: dict[object, Watch], hostname: str, *, is_listed: bool, since: float
) -> dict[object, float]:
    """Return for each watch how long after a moment it answered the new state."""
    found: dict[object, float] = {}
    while len(found) < len(watches):
        for name, watch in watches.items():
            if name not in found and watch(hostname) is is_listed:
                found[name] = time.monotonic() - since
        if time.monotonic() - since > _LONGEST:
            late = [name for name in watches if name not in found]
            raise RuntimeError(f"not answered after {_LONGEST} seconds: {late}")
        time.sleep(_PAUSE)
    return found


class World:
    """The registrar's service, and who follows it."""

    def __init__(
        self,
        registrar: Registrar,
        service: Service,
        stack: contextlib.ExitStack,
        directory: Path,
    ) -> None:
        self.registrar = registrar
        self.service = service
        self.knots: list[SecondaryKnot] = []
        self._stack = stack
        self._directory = directory
        self._knot_key = TsigKey.generate("knot-primary")
        self._knot_endpoint = f"127.0.0.1:{free_port()}"

    def grow(self, count: int) -> None:
        """Start secondaries until there are so many; return when they have the zone."""
        new = []
        while len(self.knots) < count:
            knot = SecondaryKnot({KNOT_ZONE: Peer(self._knot_endpoint, self._knot_key)})
            knot.know(ZONE, Peer(self.registrar.primary, self._add(knot.listen)))
            self._stack.enter_context(knot)
            self.knots.append(knot)
            new.append(knot)
        for knot in new:
            _until(lambda knot=knot: knot.serial(ZONE) is not None, "a secondary has no zone")  # type: ignore[misc]

    def add_replica(self, name: str, *, notified: bool) -> Watch:
        """Start a replica; return its reader."""
        directory = self._directory / name
        directory.mkdir()
        notify = f"127.0.0.1:{free_port()}" if notified else ""
        key = self._add(notify, SecondaryKind.REPLICA)
        (directory / "key").touch(0o600)
        (directory / "key").write_text(key.to_text())
        (directory / "replica.toml").write_text(
            f'zone = "{ZONE}"\nstate_directory = "{directory}"\n[log]\nlevel = "error"\n'
            f'[replica]\nprimaries = ["{self.registrar.primary}"]\nkey_file = "{directory}/key"\n'
            + (f'notify_listen = ["{notify}"]\n' if notified else "")
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "countersign", "replica", "--config", directory / "replica.toml"]
        )
        self._stack.callback(_end, process)
        find = open_registry(directory / "replica").find

        def is_listed(hostname: str) -> bool:
            return find(hostname).standing is Standing.REGISTERED

        def has_copy() -> bool:
            with contextlib.suppress(RegistryUnavailableError):
                return is_listed(self.registrar.lively[0][1])
            return False

        _until(has_copy, "a replica has no copy")
        return is_listed

    @contextlib.contextmanager
    def knot_primary(self, stage: int) -> Iterator[UpdatedKnot]:
        """Let a Knot be the primary of the other zone; each stage's has a higher serial."""
        serial = stage * 1_000_000
        knot = UpdatedKnot(
            KNOT_ZONE,
            listen=self._knot_endpoint,
            transfer_keys=[self._knot_key],
            notify=[Peer(one.listen, self._knot_key) for one in self.knots],
        )
        write_zone_file(self.registrar.office, knot.zone_file, KNOT_ZONE, serial)
        with knot:
            for one in self.knots:
                _until(
                    lambda one=one: (one.serial(KNOT_ZONE) or 0) >= serial,  # type: ignore[misc]
                    "a secondary has not the zone of Knot",
                )
            yield knot

    def _add(self, notify: str, kind: SecondaryKind = SecondaryKind.SECONDARY) -> TsigKey:
        """Add a secondary to the registrar; return its key."""
        name = f"bench-{free_port()}"
        details = Details(kind=kind, notify=[notify] if notify else [], ask="")
        with self.registrar.office.work() as work:
            _, key = secondaries.add(work, SYSTEM, name, details)
        return key


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
