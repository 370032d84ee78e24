"""DNS questions with a bounded cache that respects TTLs, also those of zero."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from cachetools import TLRUCache

_CACHE_SIZE = 100_000
_MAX_TTL = 86400
_MAX_NEGATIVE_TTL = 3600


class ResolutionFailedError(Exception):
    """The DNS could not answer: time-out, SERVFAIL, REFUSED, lame servers. Not a 'no'."""


@dataclass(frozen=True, slots=True)
class Records:
    """An answer: the records' data, or none."""

    data: tuple[Any, ...]
    exists: bool
    """False: NXDOMAIN. True with no data: NODATA."""
    ttl: float
    """Seconds."""
    is_certain: bool = True
    """False: an empty answer without SOA, as a lame server gives it too (RFC 2308 §2.2)."""


class DnsClient:
    """Asks recursive resolvers; equal questions at one time are asked once."""

    def __init__(self, nameservers: Sequence[str], *, timeout: float, lifetime: float) -> None:
        """``nameservers``: ADDRESS:PORT or [IPV6]:PORT; none: those of /etc/resolv.conf.

        ``timeout`` for one server, ``lifetime`` for a whole question, in seconds.
        """
        self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = [_nameserver(endpoint) for endpoint in nameservers]
        self._resolver.timeout = timeout
        self._resolver.lifetime = lifetime
        self._resolver.cache = None
        self._cache: TLRUCache[tuple[str, str], Records] = TLRUCache(
            _CACHE_SIZE, ttu=lambda _key, records, now: now + records.ttl
        )
        self._asking: dict[tuple[str, str], asyncio.Task[Records]] = {}

    async def ask(self, name: str, kind: str, *, fresh: bool = False) -> Records:
        """Return the records of a type; ``fresh`` passes our own cache by.

        Raises :class:`ResolutionFailedError`.
        """
        key = (name.lower().rstrip("."), kind)
        if not fresh and (known := self._cache.get(key)) is not None:
            return known
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(*key))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        # Shielded: one asker's cancellation must not take the answer from the others.
        return await asyncio.shield(task)

    def _asked(self, key: tuple[str, str], task: asyncio.Task[Records]) -> None:
        del self._asking[key]
        if not task.cancelled() and task.exception() is None:
            records = task.result()
            if records.ttl > 0:
                self._cache[key] = records

    async def _ask(self, name: str, kind: str) -> Records:
        try:
            answer = await self._resolver.resolve(
                f"{name}.", kind, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN as error:
            responses = list(error.kwargs["responses"].values())
            return Records((), exists=False, ttl=_negative_ttl(responses[0] if responses else None))
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise ResolutionFailedError(f"{kind} of a name: {type(error).__name__}") from error
        if answer.rrset is None:
            ttl = _negative_ttl(answer.response)
            return Records((), exists=True, ttl=ttl, is_certain=_has_soa(answer.response))
        return Records(tuple(answer.rrset), exists=True, ttl=min(answer.rrset.ttl, _MAX_TTL))


def _nameserver(endpoint: str) -> Any:
    host, _, port = endpoint.rpartition(":")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))


def _has_soa(response: Any) -> bool:
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)


def _negative_ttl(response: Any) -> float:
    """Return how long a 'no' holds: the SOA's minimum, or its own TTL (RFC 2308 §5)."""
    for rrset in response.authority if response is not None else ():
        if rrset.rdtype == dns.rdatatype.SOA:
            return float(min(rrset.ttl, rrset[0].minimum, _MAX_NEGATIVE_TTL))
    return 0.0
