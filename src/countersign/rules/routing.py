"""Where mail for a domain goes: RFC 5321 §5.1, RFC 7505. Pure: DNS answers in, hosts out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from countersign.protocol.address import AddressSyntaxError, normalise_hostname

MAX_EXCHANGERS = 20

Shuffle = Callable[[list[str]], None]


class NoRoute(StrEnum):
    """Why mail for a domain goes nowhere."""

    NULL_MX = "the domain takes no mail (null MX)"
    LOOP = "mail for the domain loops back to this host"
    NO_VALID_HOST = "the domain's MX records name no valid host"


@dataclass(frozen=True, slots=True)
class Route:
    """The hosts to try, in order."""

    exchangers: tuple[str, ...]
    implicit: bool
    """The domain has no MX record: its own addresses are used."""


def route(
    domain: str,
    records: Sequence[tuple[int, str]],
    *,
    own_names: Collection[str],
    shuffle: Shuffle,
) -> Route | NoRoute:
    """Order a domain's mail exchangers.

    ``records``: (preference, name) pairs; ``own_names``: normalised names of this host, which
    is never sent to, nor anything less preferred (loop prevention); ``shuffle`` puts hosts of
    one preference in random order, in place.
    """
    if not records:
        return NoRoute.LOOP if domain in own_names else Route((domain,), implicit=True)
    if any(name in ("", ".") for _, name in records):
        return NoRoute.NULL_MX
    hosts = _valid(records)
    if not hosts:
        return NoRoute.NO_VALID_HOST
    own = [preference for preference, name in hosts if name in own_names]
    if own:
        hosts = [(preference, name) for preference, name in hosts if preference < min(own)]
        if not hosts:
            return NoRoute.LOOP
    ordered: list[str] = []
    for preference in sorted({preference for preference, _ in hosts}):
        equals = [name for own_preference, name in hosts if own_preference == preference]
        shuffle(equals)
        ordered += equals
    return Route(tuple(dict.fromkeys(ordered))[:MAX_EXCHANGERS], implicit=False)


def _valid(records: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    hosts = []
    for preference, name in records:
        try:
            hosts.append((preference, normalise_hostname(name)))
        except AddressSyntaxError:
            continue
    return hosts
