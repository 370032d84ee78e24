"""From a commit to the version: one change, and many, against dynamic updates of a Knot."""

from __future__ import annotations

import os
import time

from dns.update import UpdateMessage
from sqlalchemy import func, select

from benchmarks.registry.figures import Figure, Part, Steps, paired
from benchmarks.registry.knots import UpdatedKnot
from benchmarks.registry.registrar import Registrar, write_zone_file
from countersign.registrar.publishing.publisher import ensure_published, publish
from countersign.rules.life_cycle import State
from countersign.storage.database.publication import ZoneVersion
from countersign.storage.database.servers import Server

ZONE = "knot.example"
_ROUNDS = 10
_MANY = 10_000
_MANY_ROUNDS = 3
_NAMES_IN_A_MESSAGE = 1_000


def measure(registrar: Registrar, servers: int, steps: Steps) -> Part:
    """Measure with the registrar's database."""
    office = registrar.office
    steps.begin("publishing for the first time")
    began = time.perf_counter()
    ensure_published(office)
    first = time.perf_counter() - began
    with office.reading() as work:
        records = work.session.scalar(select(func.max(ZoneVersion.records)))
    knot = UpdatedKnot(ZONE)
    write_zone_file(office, knot.zone_file, ZONE, 1)
    with knot:
        many = min(_MANY, servers // 2)
        keys = registrar.some_servers(many)
        figures = [
            _compare(registrar, knot, keys[:1], _ROUNDS, steps),
            _compare(registrar, knot, keys, _MANY_ROUNDS, steps),
        ]
    one, all_ = figures
    figures.append(Figure(f"{len(keys):,} changes", "s", all_.ours, one.ours, "one change, ours"))
    figures.append(Figure("the first version of all", "s", first, one.ours, "one change, ours"))
    title = f"From the commit to the version: {servers:,} servers, SQLite"
    return Part(
        title, figures, {"servers": servers, "records": records, "load": os.getloadavg()[1]}
    )


def _compare(
    registrar: Registrar, knot: UpdatedKnot, keys: list[int], rounds: int, steps: Steps
) -> Figure:
    what = "one change" if len(keys) == 1 else f"{len(keys):,} changes"
    advance = steps.begin(f"publishing {what}", rounds)
    pairs = []
    for number in range(rounds):
        pairs.append((_publish(registrar, keys, number), _update(knot, _updates(keys, number))))
        advance(1)
    return paired(what, "s", "dynamic updates of Knot", pairs)


def _publish(registrar: Registrar, keys: list[int], number: int) -> float:
    """Change what the public is told of some servers, an order for each; return seconds."""
    office = registrar.office
    with office.work() as work:
        for key in keys:
            server = work.session.get_one(Server, key)
            server.state = _other(server.state)
            server.public_reason = f"Reason {number}."
            work.order("publish", {"hosts": [server.hostname], "addresses": []})
    began = time.perf_counter()
    serials = publish(office)
    seconds = time.perf_counter() - began
    if not serials:
        raise RuntimeError("nothing was published")
    return seconds


def _other(state: State) -> State:
    return State.SUSPENDED if state is State.ACTIVE else State.ACTIVE


def _updates(keys: list[int], number: int) -> list[UpdateMessage]:
    """Return dynamic updates that add as many names, or take them away again."""
    messages = []
    for begin in range(0, len(keys), _NAMES_IN_A_MESSAGE):
        message = UpdateMessage(f"{ZONE}.")
        for key in keys[begin : begin + _NAMES_IN_A_MESSAGE]:
            if number % 2:
                message.delete(f"mail.added{key}.zz", "A")
            else:
                message.add(f"mail.added{key}.zz", 300, "A", "127.0.0.2")
        messages.append(message)
    return messages


def _update(knot: UpdatedKnot, messages: list[UpdateMessage]) -> float:
    began = time.perf_counter()
    knot.update(messages)
    return time.perf_counter() - began
