"""The registry as a copy of its zone on this host (DESIGN §7); the DNS where it cannot tell.

A copy past its age limit is asked only when the DNS gives no answer either; what it then says
is taken or not as the operator has set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from time import monotonic, time

import structlog

from countersign.registry.copy.environment import identity_of
from countersign.registry.copy.errors import CopyError, NoCopyError
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.reading import CopyReader
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.list_texts import ABSENT, Facts, facts_of
from countersign.registry.lookup import Registry, RegistryEntry, RegistryUnavailableError
from countersign.registry.zone.content import may_be_server
from countersign.registry.zone.names import host_key
from countersign.registry.zone.records import (
    TXT,
    A,
    RecordError,
    kind_of,
    split_node,
    text_of_rdata,
)

log = structlog.get_logger()

LOOK_AGAIN_SECONDS = 1.0
"""How soon a copy that was missing, or was made anew, is opened."""
_MAX_NAME = 253
_RDATA_AT = 10
"""Octets of a record before its RDATA."""
_MAX_NODE = 65_535
"""Octets of a server's node: what an answer by the DNS could hold."""
_REMEMBERED = 10_000
_REMEMBERED_NODE = 1000
"""Octets of nodes whose meaning is remembered: nearly all."""


class OnStale(StrEnum):
    """What becomes of the answer of a copy past its age limit, when the DNS gives none."""

    DEFER = "defer"
    """It is none: mail waits."""
    ACCEPT = "accept"
    """It counts as if it were new."""
    SOFT = "soft"
    """It counts, marked as stale."""


class NoUsableCopyError(RegistryUnavailableError):
    """There is no copy of the zone on this host that could be asked."""


class CopyRegistry:
    """Looks hostnames up in the copy, in one thread. It may appear, and be made anew, any time."""

    def __init__(
        self,
        directory: Path,
        zone: str,
        *,
        max_age: float,
        on_stale: OnStale,
        fallback: Registry | None,
        clock: Callable[[], float] = time,
    ) -> None:
        """``max_age``: seconds since the copy was last known to be the primary's."""
        self._directory = directory
        self._zone = zone.strip(".").lower()
        self._max_age = max_age
        self._on_stale = on_stale
        self._fallback = fallback
        self._clock = clock
        self._copy: ZoneCopy | None = None
        self._reader: CopyReader | None = None
        self._identity: tuple[int, int] | None = None
        self._look_again_at = 0.0
        self._accepted: CopyMeta | None = None
        self._current_from = self._current_until = 0.0
        self._trouble = ""
        self._facts: dict[bytes, Facts] = {}

    async def look_up(self, hostname: str) -> RegistryEntry:
        """Return the entry of a normalised hostname."""
        try:
            entry = self.find(hostname)
        except NoUsableCopyError:
            if self._fallback is None:
                raise
            return await self._fallback.look_up(hostname)
        return await self._instead_of(entry) if entry.is_stale else entry

    def find(self, hostname: str) -> RegistryEntry:
        """Return what the copy says, ``is_stale`` if it is past its age limit.

        Raises :class:`NoUsableCopyError`, and :class:`RegistryUnavailableError` for a node that
        cannot be read.
        """
        if len(hostname) > _MAX_NAME:
            return RegistryEntry(hostname, *ABSENT)
        key = host_key(hostname)
        try:
            if monotonic() >= self._look_again_at:
                self._look_again()
            reader = self._reader
            if reader is None:
                raise NoUsableCopyError(self._trouble)
            node = reader.get(key)
            if reader.seen is not self._accepted:
                self._accept(reader.seen)
        except CopyError as error:
            raise self._without(error) from error
        facts = ABSENT
        if node and may_be_server(hostname):
            facts = self._facts.get(node) or self._learn(node)
        standing, pins, reason = facts
        is_stale = not self._current_from <= self._clock() <= self._current_until
        return RegistryEntry(hostname, standing, pins, reason, is_stale)

    async def aclose(self) -> None:
        """Close the copy and the fallback."""
        self._close()
        if self._fallback is not None:
            await self._fallback.aclose()

    async def _instead_of(self, entry: RegistryEntry) -> RegistryEntry:
        if self._fallback is not None:
            try:
                return await self._fallback.look_up(entry.hostname)
            except RegistryUnavailableError:
                if self._on_stale is OnStale.DEFER:
                    raise
        if self._on_stale is OnStale.DEFER:
            raise RegistryUnavailableError("the copy of the registry is past its age limit")
        if self._accepted is not None and self._accepted.is_doubted:
            # What an operator accepts is an old copy, not a damaged one.
            return entry
        return replace(entry, is_stale=self._on_stale is OnStale.SOFT)

    def _accept(self, meta: CopyMeta | None) -> None:
        """Take note of the version that is read from now on."""
        if meta is None:
            raise NoCopyError(f"there is no copy of the zone in {self._directory} yet")
        if meta.zone != self._zone:
            raise CopyError(f"{self._directory} has a copy of another zone, {meta.zone!r}")
        self._accepted = meta
        self._current_from, self._current_until = meta.current_between(self._max_age)

    def _look_again(self) -> None:
        """Open the copy, if there is one at its place other than the one that is open."""
        self._look_again_at = monotonic() + LOOK_AGAIN_SECONDS
        identity = identity_of(self._directory)
        if self._reader is not None and identity == self._identity:
            return
        self._close()
        self._copy = ZoneCopy.open(self._directory, writable=False)
        self._reader = self._copy.reader()
        self._identity = identity

    def _close(self) -> None:
        copy, self._copy, self._reader, self._accepted = self._copy, None, None, None
        if copy is not None:
            copy.close()

    def _without(self, error: CopyError) -> NoUsableCopyError:
        """Go on without the copy, for a moment; say so once."""
        self._close()
        if str(error) != self._trouble:
            self._trouble = str(error)
            say = log.warning if isinstance(error, NoCopyError) else log.error
            say("no usable copy of the registry, the DNS is asked", reason=self._trouble)
        return NoUsableCopyError(self._trouble)

    def _learn(self, node: bytes) -> Facts:
        facts = _facts_of(node)
        if len(node) <= _REMEMBERED_NODE:
            if len(self._facts) >= _REMEMBERED:
                self._facts.clear()
            self._facts[node] = facts
        return facts


def entry_of(hostname: str, node: bytes) -> RegistryEntry:
    """Return what a node says of a host. Raises :class:`RegistryUnavailableError`."""
    return RegistryEntry(hostname, *(_facts_of(node) if may_be_server(hostname) else ABSENT))


def _facts_of(node: bytes) -> Facts:
    if len(node) > _MAX_NODE:
        raise RegistryUnavailableError("the list has too many records of one name")
    try:
        records = split_node(node)
    except RecordError as error:
        raise RegistryUnavailableError(f"the copy of the registry is damaged: {error}") from None
    return facts_of(
        [one[_RDATA_AT:] for one in records if kind_of(one) == A],
        (text_of_rdata(one[_RDATA_AT:]) for one in records if kind_of(one) == TXT),
    )
