"""Locks of accounts as Valkey keeps them."""

from __future__ import annotations

import json
from typing import Any

from countersign.storage.submission import valkey_scripts as scripts
from countersign.storage.submission.tables import Lock, LockReason


class ValkeyLocks:
    """The part of the tables that keeps locks. Errors are those of the client."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._lock = client.register_script(scripts.LOCK)
        self._unlock = client.register_script(scripts.UNLOCK)

    async def add(self, lock: Lock) -> bool:
        """Lock an account; False if it is locked already."""
        field = untold_field(lock) if lock.reason is LockReason.DAILY_LIMIT else ""
        keys = [self._key("locks"), self._key("untold")]
        return bool(await self._lock(keys=keys, args=[lock.user, pack_lock(lock), field]))

    async def lift(self, user: str, *, forget: bool, now: float) -> bool:
        """Unlock an account, and note when; False if it was not locked."""
        names = ("locks", "rows:" + user, "sender:" + user, "senders", "top", "unlocks")
        keys = [self._key(name) for name in names]
        return bool(await self._unlock(keys=keys, args=[user, int(forget), repr(now)]))

    async def find(self, user: str) -> Lock | None:
        """Return the lock of an account."""
        found = await self._client.hget(self._key("locks"), user)
        return None if found is None else unpack_lock(found)

    async def active(self) -> list[Lock]:
        """Return all locks, the newest first."""
        return sorted(await self._all("locks"), key=lambda lock: -lock.since)

    async def untold(self) -> list[Lock]:
        """Return the locks that the administrator was not told of, oldest first."""
        return sorted(await self._all("untold"), key=lambda lock: lock.since)

    async def tell(self, lock: Lock) -> None:
        """Note that the administrator was told of a lock."""
        await self._client.hdel(self._key("untold"), untold_field(lock))

    async def sweep(self, before: float) -> int:
        """Forget old unlocks; return how many."""
        return int(await self._client.zremrangebyscore(self._key("unlocks"), "-inf", repr(before)))

    async def _all(self, name: str) -> list[Lock]:
        return [unpack_lock(value) for value in await self._client.hvals(self._key(name))]

    def _key(self, name: str) -> str:
        return self._prefix + name


def untold_field(lock: Lock) -> str:
    """Return the name of a lock among those that are to be told."""
    return f"{lock.since!r} {lock.user}"


def pack_lock(lock: Lock) -> str:
    """Write a lock, as the scripts do. Its time is text: Lua would round it."""
    row = {
        "user": lock.user,
        "reason": lock.reason.value,
        "since": repr(lock.since),
        "used": lock.used,
        "wanted": lock.wanted,
        "limit": lock.limit,
        "words": lock.words,
    }
    return json.dumps(row)


def unpack_lock(text: str) -> Lock:
    """Read a lock."""
    row = json.loads(text)
    row |= {"reason": LockReason(row["reason"]), "since": float(row["since"])}
    return Lock(**row)
