"""Connections to receivers, kept for the next message (DESIGN §4, Sending)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from countersign.gateway.parts import Parts
from countersign.gateway.sending.connection import Connection

MAX_MESSAGES = 1000
"""Messages on one connection, after which a new one spreads the load anew."""


class Pool:
    """All connections of one worker to receivers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settings = parts.config.sending
        self._idle: defaultdict[tuple[str, str], deque[Connection]] = defaultdict(deque)
        self._places: dict[tuple[str, str], _Places] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to close connections that nobody uses."""
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Close all idle connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connections in self._idle.values():
            for connection in connections:
                await connection.close()
        self._idle.clear()

    @asynccontextmanager
    async def connection(
        self, mx_host: str, address: str, *, fresh: bool = False
    ) -> AsyncIterator[Connection]:
        """Lend a connection, a kept one unless ``fresh``; waits while too many are open.

        It is kept afterwards if it is still usable. Raises what
        :meth:`~countersign.gateway.sending.connection.Connection.open` raises.
        """
        key = (mx_host, address)
        async with self._place(key):
            connection = None if fresh else await self._take(key)
            if connection is None:
                connection = Connection(self._parts, mx_host, address)
                await connection.open()
            try:
                connection.messages += 1
                yield connection
            except BaseException:
                connection.abort()
                raise
            finally:
                await self._give_back(key, connection)

    @asynccontextmanager
    async def _place(self, key: tuple[str, str]) -> AsyncIterator[None]:
        places = self._places.setdefault(key, _Places(self._settings.max_connections_per_host))
        places.users += 1
        try:
            async with places.free:
                yield
        finally:
            places.users -= 1
            if not places.users:
                self._places.pop(key, None)

    async def _take(self, key: tuple[str, str]) -> Connection | None:
        while connections := self._idle.get(key):
            connection = connections.pop()
            if connection.is_usable:
                return connection
            await connection.close()
        return None

    async def _give_back(self, key: tuple[str, str], connection: Connection) -> None:
        if connection.is_usable and connection.messages < MAX_MESSAGES:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle[key].append(connection)
        else:
            await connection.close()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._settings.idle_timeout / 2))
            limit = loop.time() - self._settings.idle_timeout
            for key in list(self._idle):
                await self._close_idle(key, limit)

    async def _close_idle(self, key: tuple[str, str], limit: float) -> None:
        connections = self._idle[key]
        stale = [one for one in connections if one.idle_since < limit or not one.is_usable]
        for connection in stale:
            # Another task may have taken it while the one before was being closed.
            with contextlib.suppress(ValueError):
                connections.remove(connection)
                await connection.close()
        if not connections:
            self._idle.pop(key, None)


class _Places:
    def __init__(self, count: int) -> None:
        self.free = asyncio.Semaphore(count)
        self.users = 0
