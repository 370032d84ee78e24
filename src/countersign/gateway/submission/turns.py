"""How many may do something at once, for each of many keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class BusyError(Exception):
    """Too many wait already."""


class Turns:
    """A bound for each key. What a key needs is forgotten with its last user."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """Let ``at_once`` in for each key, and ``waiting`` more wait for them."""
        self._at_once = at_once
        self._most = at_once + waiting
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it. Raises :class:`BusyError`."""
        lane = self._lanes.setdefault(key, _Lane(self._at_once))
        if lane.users >= self._most:
            raise BusyError
        lane.users += 1
        try:
            async with lane.semaphore:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[key]

    def __len__(self) -> int:
        """Return the number of keys in use."""
        return len(self._lanes)


class _Lane:
    def __init__(self, at_once: int) -> None:
        self.semaphore = asyncio.Semaphore(at_once)
        self.users = 0
