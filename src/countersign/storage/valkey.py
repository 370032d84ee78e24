"""The shared tables of a farm of hosts, on Valkey or Redis.

Rows of a process that ended without a word die with its lease: a key that its heartbeat
renews. Every failure of the store reads as 'could not tell'.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from countersign.storage.tables import (
    Block,
    OpenSession,
    Suspension,
    SuspensionKind,
    TablesUnavailableError,
)

LEASE_SECONDS = 15.0
SESSION_SECONDS = 24 * 3600
"""No row outlives this, whatever else fails."""

_MARK_ASKED = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'asked', '1')
"""
_SUSPEND = """
local kind, till = redis.call('HGET', KEYS[1], 'kind'), redis.call('HGET', KEYS[1], 'until')
if ARGV[1] == 'answered' and kind == 'wrong-id' and tonumber(till) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'kind', ARGV[1], 'until', ARGV[2])
redis.call('EXPIREAT', KEYS[1], math.ceil(tonumber(ARGV[2])))
return 1
"""


class ValkeyTables:
    """Implements :class:`~countersign.storage.tables.Tables` for a farm."""

    def __init__(
        self, url: str, *, timeout: float = 3.0, lease: float = LEASE_SECONDS, prefix: str = "cs:"
    ) -> None:
        """``url``: redis://HOST:PORT/DB; times in seconds. Connects when first used."""
        self._client: Any = redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, decode_responses=True
        )
        self._token = secrets.token_hex(16)
        self._lease = lease
        self._prefix = prefix
        self._heart: asyncio.Task[None] | None = None

    # -- sessions -----------------------------------------------------------------------------

    async def open_session(self, session: OpenSession) -> None:
        """Store a row that dies with this process's lease."""
        await self._hold_lease()
        row = {name: str(value) for name, value in asdict(session).items() if name != "asked"}
        key = self._key("session", session.session_id)
        async with self._pipeline() as pipeline:
            pipeline.hset(key, mapping=row | {"owner": self._token})
            pipeline.expire(key, SESSION_SECONDS)
            pipeline.sadd(self._key("owned", self._token), session.session_id)

    async def close_session(self, session_id: str) -> None:
        """Delete a row."""
        async with self._pipeline() as pipeline:
            pipeline.delete(self._key("session", session_id))
            pipeline.srem(self._key("owned", self._token), session_id)

    async def find_session(self, session_id: str) -> OpenSession | None:
        """Return the row, if its process's lease runs."""
        with _translated():
            row = await self._client.hgetall(self._key("session", session_id))
            if not row or not await self._client.exists(self._key("lease", row["owner"])):
                return None
        return OpenSession(
            row["session_id"],
            row["receiver_address"],
            row["mx_host"],
            float(row["opened_at"]),
            asked="asked" in row,
        )

    async def mark_asked(self, session_id: str) -> bool:
        """Mark a row as asked, once."""
        if await self.find_session(session_id) is None:
            return False
        with _translated():
            return bool(await self._client.eval(_MARK_ASKED, 1, self._key("session", session_id)))

    # -- suspensions ---------------------------------------------------------------------------

    async def suspension(self, network: str, now: float) -> Suspension | None:
        """Return the suspension in force."""
        with _translated():
            row = await self._client.hgetall(self._key("suspension", network))
        if not row or float(row["until"]) <= now:
            return None
        return Suspension(SuspensionKind(row["kind"]), float(row["until"]))

    async def suspend(self, network: str, suspension: Suspension) -> None:
        """Start a suspension; a strict one in force stays strict."""
        key = self._key("suspension", network)
        with _translated():
            await self._client.eval(_SUSPEND, 1, key, suspension.kind.value, suspension.until)

    # -- blocks --------------------------------------------------------------------------------

    async def block(self, block: Block) -> None:
        """Start a block."""
        key = self._key("blocks", block.network)
        member = json.dumps([block.network, block.claimed_host])
        async with self._pipeline() as pipeline:
            pipeline.hset(key, block.claimed_host, json.dumps(asdict(block)))
            pipeline.expireat(key, int(block.until) + 1)
            pipeline.zadd(self._key("all-blocks"), {member: block.since})

    async def blocks_of(self, network: str, now: float) -> list[Block]:
        """Return the blocks in force for a network."""
        with _translated():
            rows = await self._client.hvals(self._key("blocks", network))
        blocks = [Block(**json.loads(row)) for row in rows]
        return [block for block in blocks if block.until > now]

    async def unblock(self, network: str, claimed_host: str | None = None) -> int:
        """Lift blocks of a network."""
        key = self._key("blocks", network)
        with _translated():
            hosts = [claimed_host] if claimed_host else await self._client.hkeys(key)
        if not hosts:
            return 0
        async with self._pipeline() as pipeline:
            pipeline.hdel(key, *hosts)
            members = [json.dumps([network, host]) for host in hosts]
            pipeline.zrem(self._key("all-blocks"), *members)
            results = await pipeline.execute()
        return int(results[0])

    async def list_blocks(self, now: float, limit: int = 1000) -> list[Block]:
        """Return blocks in force, the newest first."""
        with _translated():
            members = await self._client.zrevrange(self._key("all-blocks"), 0, limit - 1)
            blocks: list[Block] = []
            for network, host in map(json.loads, members):
                row = await self._client.hget(self._key("blocks", network), host)
                blocks += [Block(**json.loads(row))] if row else []
        return [block for block in blocks if block.until > now]

    # -- counters and upkeep ---------------------------------------------------------------------

    async def count(self, counter: str, window: float, now: float) -> int:
        """Add one to a counter of a fixed window."""
        key = self._key("count", counter, str(int(now // window)))
        async with self._pipeline() as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, int(window) + 1)
            results = await pipeline.execute()
        return int(results[0])

    async def sweep(self, now: float) -> int:
        """Delete rows of processes whose lease ended; the store itself expires the rest."""
        swept = 0
        with _translated():
            async for key in self._client.scan_iter(self._key("owned", "*"), count=100):
                token = key.rpartition(":")[2]
                if not await self._client.exists(self._key("lease", token)):
                    swept += await self._delete_sessions_of(token)
            await self._client.zremrangebyscore(self._key("all-blocks"), "-inf", now - 31 * 86400)
        return swept

    async def aclose(self) -> None:
        """Delete this process's rows and disconnect."""
        if self._heart is not None:
            self._heart.cancel()
        with contextlib.suppress(TablesUnavailableError), _translated():
            await self._delete_sessions_of(self._token)
            await self._client.delete(self._key("lease", self._token))
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()

    async def _delete_sessions_of(self, token: str) -> int:
        owned = self._key("owned", token)
        ids = await self._client.smembers(owned)
        keys = [self._key("session", session_id) for session_id in ids]
        await self._client.delete(owned, *keys)
        return len(keys)

    async def _hold_lease(self) -> None:
        if self._heart is None:
            await self._renew_lease()
            self._heart = asyncio.create_task(self._beat())

    async def _renew_lease(self) -> None:
        with _translated():
            await self._client.set(self._key("lease", self._token), "1", px=int(self._lease * 1000))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            with contextlib.suppress(TablesUnavailableError):
                await self._renew_lease()

    def _key(self, *parts: str) -> str:
        return self._prefix + ":".join(parts)

    @asynccontextmanager
    async def _pipeline(self) -> AsyncIterator[Any]:
        with _translated():
            async with self._client.pipeline(transaction=True) as pipeline:
                yield pipeline
                if pipeline.command_stack:
                    await pipeline.execute()


@contextlib.contextmanager
def _translated() -> Any:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise TablesUnavailableError(f"shared store: {error}") from error
