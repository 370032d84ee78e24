"""Rounds of the same load on each way in, in turn, so that a drift of the machine hits all."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from rich.status import Status

from benchmarks.submission.load import Load, send_all
from benchmarks.submission.setting import OPENDKIM, PLAIN, Candidate, Setting

LOADS = (Load(300, 2000, 1), Load(800, 2000, 20), Load(400, 50_000, 20))
WARM_UP = 40


@dataclass(frozen=True, slots=True)
class Round:
    """One load on one way in."""

    per_second: float
    postfix_cpu: float
    """Milliseconds of a message."""
    filter_cpu: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: medians, and medians of the rounds' ratios."""

    name: str
    size: int
    at_once: int
    per_second: float
    postfix_cpu: float
    filter_cpu: float
    rate_ratio: float
    """Messages a second, to Postfix alone in the same round."""
    filter_ratio: float
    """CPU of the filter, to OpenDKIM's."""
    whole_ratio: float
    """CPU of all programs, to that of Postfix with OpenDKIM."""


async def measure(directory: Path, rounds: int, status: Status) -> list[Figure]:
    """Measure every way in under every load."""
    setting = Setting(directory)
    figures = []
    with status:
        try:
            await setting.start()
            for load in LOADS:
                found: dict[str, list[Round]] = defaultdict(list)
                for number in range(rounds):
                    for candidate in setting.candidates.values():
                        status.update(
                            f"{candidate.name}, {load.size} octets, {load.at_once} connections, "
                            f"round {number + 1}"
                        )
                        found[candidate.name].append(await _round(candidate, load, number == 0))
                figures += [_figure(name, load, found) for name in found]
        finally:
            await setting.stop()
    return figures


async def _round(candidate: Candidate, load: Load, is_first: bool) -> Round:
    if is_first:
        await send_all(candidate.endpoint, Load(WARM_UP, load.size, load.at_once))
    before = candidate.cpu()
    seconds = await send_all(candidate.endpoint, load)
    spent = {
        name: (after - before[name]) * 1000 / load.messages
        for name, after in candidate.cpu().items()
    }
    postfix = spent.pop("Postfix")
    return Round(load.messages / seconds, postfix, sum(spent.values()))


def _figure(name: str, load: Load, found: dict[str, list[Round]]) -> Figure:
    rounds, plain, other = found[name], found[PLAIN], found[OPENDKIM]
    return Figure(
        name=name,
        size=load.size,
        at_once=load.at_once,
        per_second=statistics.median(one.per_second for one in rounds),
        postfix_cpu=statistics.median(one.postfix_cpu for one in rounds),
        filter_cpu=statistics.median(one.filter_cpu for one in rounds),
        rate_ratio=_ratio([one.per_second for one in rounds], [one.per_second for one in plain]),
        filter_ratio=_ratio([one.filter_cpu for one in rounds], [one.filter_cpu for one in other]),
        whole_ratio=_ratio(
            [one.postfix_cpu + one.filter_cpu for one in rounds],
            [one.postfix_cpu + one.filter_cpu for one in other],
        ),
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
