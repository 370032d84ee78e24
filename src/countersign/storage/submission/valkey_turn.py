"""Whose turn it is in a farm: a key on Valkey that ends by itself."""

from __future__ import annotations

import secrets
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from countersign.storage.tables import TablesUnavailableError

_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class ValkeyTurn:
    """Implements :class:`~countersign.storage.submission.turn.Turn`."""

    def __init__(
        self, url: str, name: str, *, timeout: float = 3.0, prefix: str = "cs:turn:"
    ) -> None:
        """``url``: redis://HOST:PORT/DB; ``timeout`` in seconds. Connects when first used."""
        self._client: Any = redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, decode_responses=True
        )
        self._key = prefix + name
        self._token = secrets.token_hex(16)

    async def take(self, seconds: float) -> bool:
        """Take the key, or prolong it."""
        return bool(await self._run(_TAKE, self._token, int(seconds * 1000)))

    async def give_back(self) -> None:
        """Delete the key, if it is this process's."""
        await self._run(_GIVE_BACK, self._token)

    async def aclose(self) -> None:
        """Delete the key if the store can be reached; otherwise it ends by itself."""
        try:
            await self.give_back()
            await self._client.aclose()
        except (TablesUnavailableError, RedisError, OSError):
            return

    async def _run(self, script: str, *arguments: str | int) -> int:
        try:
            return int(await self._client.eval(script, 1, self._key, *arguments))
        except (RedisError, OSError) as error:
            raise TablesUnavailableError(f"Valkey: {type(error).__name__}") from error
