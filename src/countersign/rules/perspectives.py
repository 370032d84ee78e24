"""Several perspectives: which probes test a host, and what their verdicts say together. Pure.

DESIGN §8: at least three probes from distinct network ranges, never the same set twice running;
a quorum decides, and a probe that is blocked neither passes nor fails anybody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Place:
    """Where a probe stands, as it was enrolled."""

    key: int
    """Of the probe."""
    network: str
    """Its range in CIDR notation."""
    as_number: int | None = None


class NoSetError(Exception):
    """There is no set of probes that may test the host now; the message says why, to staff."""


def ranges(places: Iterable[Place]) -> list[frozenset[int]]:
    """Return the probes' keys by range: of one are overlapping prefixes, and those of one AS.

    Raises :class:`ValueError` for a network that is none.
    """
    groups: list[list[Place]] = []
    for place in places:
        near = [group for group in groups if any(_are_near(place, other) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([place, *(one for group in near for one in group)])
    return [frozenset(place.key for place in group) for group in groups]


def _are_near(one: Place, other: Place) -> bool:
    if one.as_number is not None and one.as_number == other.as_number:
        return True
    first = ipaddress.ip_network(one.network, strict=False)
    second = ipaddress.ip_network(other.network, strict=False)
    if isinstance(first, ipaddress.IPv4Network) and isinstance(second, ipaddress.IPv4Network):
        return first.overlaps(second)
    if isinstance(first, ipaddress.IPv6Network) and isinstance(second, ipaddress.IPv6Network):
        return first.overlaps(second)
    return False


Sample = Callable[[Sequence[int], int], list[int]]
"""As :meth:`random.Random.sample`: so many members of a sequence, each once."""


def draw(
    places: Sequence[Place], count: int, *, previous: Collection[int], sample: Sample
) -> frozenset[int]:
    """Draw probes by lot, each from another range, and not the set that came last.

    previous: keys of the set that tested this host last. Raises :class:`NoSetError`.
    """
    groups = [sorted(group) for group in ranges(places)]
    if len(groups) < count:
        raise NoSetError(
            f"{count} probes of distinct network ranges are needed, and there are {len(groups)}: "
            "enrol more with 'countersign registrar probes add'."
        )
    chosen = _choose(groups, count, sample)
    if chosen != frozenset(previous):
        return chosen
    return _another(groups, chosen, sample)


def _choose(groups: Sequence[Sequence[int]], count: int, sample: Sample) -> frozenset[int]:
    numbers = sample(range(len(groups)), count)
    return frozenset(sample(groups[number], 1)[0] for number in numbers)


def _another(
    groups: Sequence[Sequence[int]], chosen: frozenset[int], sample: Sample
) -> frozenset[int]:
    """Put another probe in the place of one that was chosen."""
    unused = [group for group in groups if not chosen & set(group)]
    others = {
        member: [
            *(one for group in groups if member in group for one in group if one != member),
            *(one for group in unused for one in group),
        ]
        for member in sorted(chosen)
    }
    replaceable = [member for member, instead in others.items() if instead]
    if not replaceable:
        raise NoSetError(
            "the same probes would test this host twice running: enrol one more with "
            "'countersign registrar probes add'."
        )
    leaving = sample(replaceable, 1)[0]
    return chosen - {leaving} | {sample(others[leaving], 1)[0]}


class Seen(StrEnum):
    """What one perspective says of a host, or of one test."""

    PASSED = "passed"
    FAILED = "failed"
    PROVEN = "proven"
    """Failed, and proven by what needs nobody's word: a message that arrived."""
    NOTHING = "nothing"
    """Blocked, unreachable, too late, or worth knowing only."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What all perspectives say together."""

    verdict: Seen
    """Passed, failed or nothing."""
    differs: bool
    """Some saw the host pass and others saw it fail: it answers different probes differently."""


def decide(seen: Sequence[Seen], quorum: int) -> Decision:
    """Decide by quorum (DESIGN §8).

    A host passes when at least `quorum` perspectives saw it pass and none saw it fail; it fails
    when so many saw it fail, or one has proof. Otherwise nothing is decided.
    """
    passed = seen.count(Seen.PASSED)
    failed = seen.count(Seen.FAILED) + seen.count(Seen.PROVEN)
    differs = passed > 0 and failed > 0
    if Seen.PROVEN in seen or failed >= quorum:
        return Decision(Seen.FAILED, differs)
    if passed >= quorum and failed == 0:
        return Decision(Seen.PASSED, differs)
    return Decision(Seen.NOTHING, differs)
