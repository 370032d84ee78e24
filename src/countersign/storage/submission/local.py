"""What submission counts on one host: a SQLite file that all its processes share.

What was counted survives the end of the process, however it comes; a crash of the machine may
take the last moments with it. The journal, which is synced, is what must outlast that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

from countersign.rules.submission import fits_day
from countersign.storage.submission import counts, local_locks, sign_ins
from countersign.storage.submission.batches import Batches
from countersign.storage.submission.tables import (
    Counted,
    Failures,
    Lock,
    LockReason,
    SignInFailure,
    Standing,
    Usage,
)

SCHEMA = ((*counts.SCHEMA, *local_locks.SCHEMA, *sign_ins.SCHEMA), local_locks.UNLOCKS)


class LocalSubmissionTables:
    """Implements :class:`~countersign.storage.submission.tables.SubmissionTables` on one host."""

    def __init__(self, directory: Path) -> None:
        """Open or make counts.db. Raises TablesUnavailableError."""
        self._batches = Batches(directory / "counts.db", SCHEMA, synchronous="NORMAL")

    # -- counts ----------------------------------------------------------------------------------

    async def reserve(
        self, user: str, recipients: int, limit: int | None, now: float
    ) -> Counted | Lock:
        """Count a message's recipients, or lock the account."""
        return await self._batches.write(
            lambda database: _reserve(database, user, recipients, limit, now)
        )

    async def release(self, reservation: str) -> None:
        """Take a message back."""
        await self._batches.write(lambda database: counts.take_back(database, reservation))

    async def standing(self, user: str, now: float) -> Standing:
        """Return the lock, the recipients and the last unlock of a user."""
        return await self._batches.read(lambda database: _standing(database, user, now))

    async def used(self, user: str, now: float) -> int:
        """Return the recipients of the 24 hours before ``now``."""
        return await self._batches.read(lambda database: counts.used(database, user, now))

    async def hours(self, user: str, now: float) -> tuple[int, ...]:
        """Return the recipients of each of the 24 hours before ``now``, the oldest first."""
        return await self._batches.read(lambda database: counts.hours(database, user, now))

    async def top(self, now: float, limit: int = 20) -> list[Usage]:
        """Return the users with the most recipients."""
        return await self._batches.read(lambda database: counts.top(database, now, limit))

    # -- locks -----------------------------------------------------------------------------------

    async def lock(self, lock: Lock) -> bool:
        """Lock an account; False if it is locked already."""
        return await self._batches.write(lambda database: local_locks.add(database, lock))

    async def unlock(self, user: str, *, forget: bool, now: float) -> bool:
        """Unlock an account; False if it was not locked."""
        return await self._batches.write(
            lambda database: _unlock(database, user, forget=forget, now=now)
        )

    async def lock_of(self, user: str) -> Lock | None:
        """Return the lock of an account."""
        return await self._batches.read(lambda database: local_locks.find(database, user))

    async def locks(self) -> list[Lock]:
        """Return all locks, the newest first."""
        return await self._batches.read(local_locks.active)

    async def untold(self) -> list[Lock]:
        """Return the locks that the administrator was not told of, oldest first."""
        return await self._batches.read(local_locks.untold)

    async def told(self, lock: Lock) -> None:
        """Note that the administrator was told of a lock."""
        await self._batches.write(lambda database: local_locks.tell(database, lock))

    # -- sign-ins --------------------------------------------------------------------------------

    async def failed(self, failure: SignInFailure) -> None:
        """Note a sign-in that failed."""
        await self._batches.write(lambda database: sign_ins.add_failure(database, failure))

    async def failures(self, user: str, network: str, since: float) -> Failures:
        """Return how many sign-ins failed after ``since``."""
        return await self._batches.read(
            lambda database: sign_ins.count_failures(database, user, network, since)
        )

    async def recent_failures(self, limit: int = 100) -> list[SignInFailure]:
        """Return the newest failures, newest first."""
        return await self._batches.read(lambda database: sign_ins.recent(database, limit))

    async def pardon(self, user: str) -> int:
        """Count an account's failures no more; return how many."""
        return await self._batches.write(lambda database: sign_ins.pardon(database, user))

    async def signed_in(self, user: str, network: str, now: float) -> None:
        """Note a sign-in that succeeded."""
        if not await self._batches.read(
            lambda database: sign_ins.is_fresh(database, user, network, now)
        ):
            await self._batches.write(
                lambda database: sign_ins.note_network(database, user, network, now)
            )

    # -- upkeep ----------------------------------------------------------------------------------

    async def sweep(self, now: float) -> int:
        """Delete what has passed, a part at a time: those who count do not wait for it."""
        swept = 0
        for part in (counts.sweep, local_locks.sweep, sign_ins.sweep):
            some = partial(_sweep, part=part, now=now)
            while deleted := await self._batches.write(some):
                swept += deleted
        return swept

    async def aclose(self) -> None:
        """Do what waits, and close the file."""
        await self._batches.aclose()


def _sweep(
    database: sqlite3.Connection, *, part: Callable[[sqlite3.Connection, float], int], now: float
) -> int:
    return part(database, now)


def _standing(database: sqlite3.Connection, user: str, now: float) -> Standing:
    return Standing(
        local_locks.find(database, user),
        counts.used(database, user, now),
        local_locks.unlocked_at(database, user),
    )


def _reserve(
    database: sqlite3.Connection, user: str, recipients: int, limit: int | None, now: float
) -> Counted | Lock:
    lock = local_locks.find(database, user)
    if lock is not None:
        return lock
    totals = counts.totals_of(database, user, now)
    used = 0 if totals is None else totals.recipients
    if limit is not None and not fits_day(limit, used, recipients):
        lock = Lock(user, LockReason.DAILY_LIMIT, now, used, recipients, limit)
        local_locks.add(database, lock)
        return lock
    totals = totals or counts.make_totals(database, user, now)
    return Counted(counts.add(database, totals, recipients, now), used + recipients)


def _unlock(database: sqlite3.Connection, user: str, *, forget: bool, now: float) -> bool:
    if forget:
        counts.forget(database, user)
    return local_locks.lift(database, user, now)
