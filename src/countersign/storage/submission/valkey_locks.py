"""Locks of accounts as Valkey keeps them."""

from __future__ import annotations

import json

from countersign.storage.submission.tables import Lock, LockReason


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
