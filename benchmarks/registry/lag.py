"""From the commit of a decision until secondaries and replicas answer it; against Knot as primary.

The secondaries are the same for both: each is a Knot with two zones, one from the registrar's
primary and one of the same content from a Knot. The zone is a small one: a Knot takes about a
second of CPU to apply a change to a zone of half a million records, and all are on one machine.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dns.update import UpdateMessage

from benchmarks.registry.bare_dns import BareDns
from benchmarks.registry.figures import Figure, Part, Steps, quantile
from benchmarks.registry.knots import UpdatedKnot
from benchmarks.registry.made_zone import ZONE
from benchmarks.registry.registrar import Registrar
from benchmarks.registry.world import KNOT_ZONE, Service, Watch, World

_LONGEST = 30.0
_PAUSE = 0.002
"""Seconds between two rounds of questions to all who have not answered the new state yet."""
_POLLING, _NOTIFIED = "replica that asks each second", "replica that takes NOTIFY"


@dataclass
class Stage:
    """Lags in seconds with one number of secondaries."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    replicas: dict[str, list[float]] = field(default_factory=dict)


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
