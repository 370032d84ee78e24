"""The zone's keys: fetched, validated by the trust anchors, kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from countersign.registry.dns_records import NotAuthenticError
from countersign.registry.dnssec.anchors import Anchors, is_zone_key
from countersign.registry.dnssec.asking import Ask
from countersign.registry.dnssec.signatures import SignatureChecker

MAX_KEYS = 16
MAX_KEY_SIZE = 1100
"""Octets: more than an RSA key of 8192 bits."""
MIN_AGE = 60
"""Seconds before a key that is not known makes us fetch the keys again."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The DNSKEY RRset of the zone, authentic."""

    rrset: dns.rrset.RRset
    fetched: float
    """Unix seconds."""
    ttl: float
    """Seconds."""

    @property
    def usable(self) -> tuple[Any, ...]:
        """The keys that may sign the zone's data."""
        return tuple(key for key in self.rrset if is_zone_key(key))


class ZoneKeys:
    """Holds the one key set that is current."""

    def __init__(self, anchors: Anchors, ask: Ask, clock: Callable[[], float]) -> None:
        self._anchors = anchors
        self._ask = ask
        self._clock = clock
        self._known: KeySet | None = None
        self._fetching: asyncio.Task[KeySet] | None = None

    async def current(self) -> KeySet:
        """Return the keys, fetched if need be. Raises :class:`ResolutionFailedError`."""
        known = self._known
        if known is not None and 0 <= self._clock() - known.fetched < known.ttl:
            return known
        return await self._fetch()

    async def later_than(self, known: KeySet) -> KeySet:
        """Return the keys, fetched again unless the known ones are young.

        A forged answer can make us ask here: hence no oftener than once in a while.
        """
        if self._known is known and 0 <= self._clock() - known.fetched < MIN_AGE:
            return known
        if self._known is not None and self._known is not known:
            return self._known
        return await self._fetch()

    def accept(self, response: dns.message.QueryMessage) -> KeySet:
        """Return the key set of a response. Raises :class:`NotAuthenticError`."""
        rrset = response.get_rrset(
            response.answer, self._anchors.zone, dns.rdataclass.IN, dns.rdatatype.DNSKEY
        )
        if response.rcode() != dns.rcode.NOERROR or rrset is None:
            raise NotAuthenticError("the zone has no keys: it is not signed")
        if len(rrset) > MAX_KEYS or any(len(key.key) > MAX_KEY_SIZE for key in rrset):
            raise NotAuthenticError("the zone's keys are too many or too long")
        trusted = [key for key in rrset if self._anchors.trust(key)]
        if not trusted:
            raise NotAuthenticError("no trust anchor fits the zone's keys")
        now = self._clock()
        ttl = SignatureChecker(self._anchors.zone, trusted, now).check(response.answer, rrset)
        return KeySet(rrset, now, ttl)

    async def _fetch(self) -> KeySet:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._ask_for_keys())
            self._fetching.add_done_callback(self._fetched)
        # Shielded: one asker's cancellation must not take the keys from the others.
        return await asyncio.shield(self._fetching)

    async def _ask_for_keys(self) -> KeySet:
        async def accept(response: dns.message.QueryMessage) -> KeySet:
            return self.accept(response)

        return await self._ask(self._anchors.zone, dns.rdatatype.DNSKEY, accept)

    def _fetched(self, task: asyncio.Task[KeySet]) -> None:
        self._fetching = None
        if not task.cancelled() and task.exception() is None:
            self._known = task.result()
