"""From which address a request comes, and how many may come from one."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Sequence

from cachetools import LRUCache
from starlette.types import ASGIApp, Receive, Scope, Send

from countersign.web.security.answers import plain_answer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAX_KEPT = 100_000
_MAX_HOPS = 20


class ClientAddress:
    """Makes the scope's ``client`` the visitor's address, where a trusted proxy says it."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[str]) -> None:
        self._app = app
        self._trusted = [ipaddress.ip_network(one, strict=False) for one in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and self._trusted and scope.get("client"):
            scope["client"] = (self._real(scope["client"][0], _forwarded(scope)), 0)
        await self._app(scope, receive, send)

    def _real(self, peer: str, forwarded: list[str]) -> str:
        # From the nearest hop backwards: the first that is no proxy of ours is the visitor.
        # What stands before it, the visitor may have written.
        for hop in (peer, *reversed(forwarded)):
            address = _parse(hop)
            if address is None:
                return peer
            if not any(address in network for network in self._trusted):
                return str(address)
            peer = str(address)
        return peer


def _forwarded(scope: Scope) -> list[str]:
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    text = b",".join(values).decode("latin-1")
    return [hop.strip() for hop in text.split(",") if hop.strip()][-_MAX_HOPS:]


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def bucket_of(address: str) -> str:
    """Return what counts as one visitor: an IPv4 address, an IPv6 /64."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed) if parsed else "unknown"


class Limiter:
    """Counts what happens for a key in a window of time; of this process. Thread-safe.

    Bounded: with too many keys those that were not seen for longest are forgotten.
    """

    def __init__(
        self, limit: int, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._windows: LRUCache[str, tuple[float, int]] = LRUCache(_MAX_KEPT)
        """The end of a key's window, and the count in it."""
        self._lock = threading.Lock()

    def count(self, key: str) -> bool:
        """Count one more; tell whether it is within the limit."""
        with self._lock:
            end, count = self._window(key)
            self._windows[key] = (end, count + 1)
            return count < self._limit

    def is_over(self, key: str) -> bool:
        """Tell whether a key has reached its limit, without counting."""
        with self._lock:
            return self._window(key)[1] >= self._limit

    def _window(self, key: str) -> tuple[float, int]:
        now = self._clock()
        end, count = self._windows.get(key, (now, 0))
        return (end, count) if now < end else (now + self._seconds, 0)


class RequestLimit:
    """Refuses more requests than an address may make in a minute; static files are free."""

    def __init__(self, app: ASGIApp, *, limiter: Limiter, free: str) -> None:
        self._app = app
        self._limiter = limiter
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 429."""
        if scope["type"] == "http" and not scope["path"].startswith(self._free):
            client = scope.get("client")
            if not self._limiter.count(bucket_of(client[0] if client else "")):
                answer = plain_answer(
                    429, "Too many requests come from your address. Wait a minute."
                )
                answer.headers["Retry-After"] = "60"
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
