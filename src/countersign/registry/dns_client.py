"""DNS questions with a bounded cache that respects TTLs, also those of zero."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
from cachetools import TLRUCache

from countersign.registry.dns_records import (
    NotAuthenticError,
    Records,
    ResolutionFailedError,
    negative_ttl,
    read_records,
)

__all__ = ["CachingClient", "DnsClient", "NotAuthenticError", "Records", "ResolutionFailedError"]

_CACHE_SIZE = 100_000


class CachingClient(ABC):
    """Asks equal questions at one time once, and keeps the answers for their TTL."""

    def __init__(self) -> None:
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

    @abstractmethod
    async def _ask(self, name: str, kind: str) -> Records:
        """Ask over the network. Raises :class:`ResolutionFailedError`."""


class DnsClient(CachingClient):
    """Asks recursive resolvers and takes their word."""

    def __init__(self, nameservers: Sequence[str], *, timeout: float, lifetime: float) -> None:
        """``nameservers``: ADDRESS:PORT or [IPV6]:PORT; none: those of /etc/resolv.conf.

        ``timeout`` for one server, ``lifetime`` for a whole question, in seconds.
        """
        super().__init__()
        self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = [_nameserver(endpoint) for endpoint in nameservers]
        self._resolver.timeout = timeout
        self._resolver.lifetime = lifetime
        self._resolver.cache = None

    async def _ask(self, name: str, kind: str) -> Records:
        try:
            answer = await self._resolver.resolve(
                f"{name}.", kind, raise_on_no_answer=False, search=False
            )
            return read_records(answer.response)
        except dns.resolver.NXDOMAIN as error:
            responses = list(error.kwargs["responses"].values())
            return Records((), exists=False, ttl=negative_ttl(responses[0]) if responses else 0)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise ResolutionFailedError(f"{kind} of a name: {type(error).__name__}") from error


def _nameserver(endpoint: str) -> Any:
    host, _, port = endpoint.rpartition(":")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
