"""Whose turn it is: of several processes that could do the same work, one does it.

On one host a lock on a file, which the kernel drops with its process; in a farm a key on Valkey
that ends by itself, so that another host goes on after the holder has died.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import Any, Protocol

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


class Turn(Protocol):
    """Held by one process at a time. Methods may raise ``TablesUnavailableError``."""

    async def take(self, seconds: float) -> bool:
        """Take it, or keep it for so long from now; False: another has it."""

    async def give_back(self) -> None:
        """Let another take it."""

    async def aclose(self) -> None:
        """Give it back and release the store; never raises."""


def open_turn(url: str, directory: Path, name: str) -> Turn:
    """Return a turn: on Valkey by ``url``, or on this host, in ``directory``, if it is empty."""
    return ValkeyTurn(url, name) if url else LocalTurn(directory / f"{name}.lock")


class LocalTurn:
    """A lock on a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    async def take(self, seconds: float) -> bool:
        """Lock the file; the lock lasts as long as the process, whatever ``seconds`` says."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise TablesUnavailableError(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    async def give_back(self) -> None:
        """Unlock the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    async def aclose(self) -> None:
        """Unlock the file."""
        await self.give_back()


class ValkeyTurn:
    """A key that ends by itself."""

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
