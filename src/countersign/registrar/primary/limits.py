"""How much one address may ask, and who may hold a connection. Pure: the clock is given."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

_PLACES = 10_000
_ADDRESS_SHARE = 2
"""One address may hold one in so many of all connections."""


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 /64."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class RateLimit:
    """A bucket of tokens for each client; a bounded number of them.

    The client that has been quiet for longest is forgotten first. It had its bucket full, or it
    gets a full one back: no more than a flood from forged addresses gets by them anyway.
    """

    def __init__(self, per_second: float, *, places: int = _PLACES) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second)
        self._places = places
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, now: float) -> float:
        """Return 0 where the client may ask now; else the seconds after which it may.

        now: monotonic seconds. A question that may not be asked costs nothing.
        """
        tokens, at = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - at) * self._per_second)
        wait = 0.0
        if tokens >= 1:
            tokens -= 1
        else:
            wait = (1 - tokens) / self._per_second
        self._buckets[client] = (tokens, now)
        if len(self._buckets) > self._places:
            self._buckets.popitem(last=False)
        return wait


@dataclass(slots=True, eq=False)
class Place:
    """A connection's place."""

    client: str
    close: Callable[[], None]
    is_known: bool = False
    """A question with a good key has come."""


@dataclass(slots=True)
class Places:
    """A bounded number of connections. Strangers make room: the one who came first goes first.

    So nobody without a key can keep those out who have one.
    """

    most: int
    _places: OrderedDict[int, Place] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._places)

    def admit(self, place: Place) -> bool:
        """Give a new connection its place; False: there is none."""
        own = [one for one in self._places.values() if one.client == place.client]
        if len(own) >= max(1, self.most // _ADDRESS_SHARE):
            if not self._evict(own):
                return False
        elif len(self._places) >= self.most and not self._evict(list(self._places.values())):
            return False
        self._places[id(place)] = place
        return True

    def leave(self, place: Place) -> None:
        """Note that a connection has ended."""
        self._places.pop(id(place), None)

    def _evict(self, among: list[Place]) -> bool:
        for place in among:
            if not place.is_known:
                self.leave(place)
                place.close()
                return True
        return False
