"""What submission counts, for a farm of hosts, on Valkey or Redis.

No key has an expiry: what has passed is deleted by :meth:`ValkeySubmissionTables.sweep`. The
server must not drop keys either (``maxmemory-policy noeviction``, the default), and must write
them down: with ``appendonly yes`` and ``appendfsync everysec`` a crash of its machine costs a
second of counts at most; without, each restart would set everybody's count to nothing and lift
every lock. Not for Valkey's cluster mode; a replica with fail-over is fine.

Every failure of the store reads as 'could not tell'. A step whose answer was lost with the
connection is done again: a reservation has a token that makes it count once all the same. When
that fails too it may count too much, never too little.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from countersign.rules.submission import DAY
from countersign.storage.submission import valkey_scripts as scripts
from countersign.storage.submission.counts import KEPT
from countersign.storage.submission.tables import (
    Counted,
    Failures,
    Lock,
    SignInFailure,
    Standing,
    Usage,
)
from countersign.storage.submission.valkey_locks import ValkeyLocks, unpack_lock
from countersign.storage.submission.valkey_sign_ins import ValkeySignIns
from countersign.storage.tables import TablesUnavailableError

_PAGE = 500
_CONNECTIONS_OF_A_PROCESS = 16


class ValkeySubmissionTables:
    """Implements :class:`~countersign.storage.submission.tables.SubmissionTables` for a farm."""

    def __init__(self, url: str, prefix: str = "cs:submission:", *, timeout: float = 3.0) -> None:
        """``url``: redis://HOST:PORT/DB; timeout in seconds. Connects when first used."""
        # Callers beyond the connections wait for one, as long as for an answer.
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS_OF_A_PROCESS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            decode_responses=True,
            # A connection that died while it was idle.
            retry=Retry(NoBackoff(), 2, supported_errors=(redis.ConnectionError,)),
        )
        self._client: Any = redis.Redis.from_pool(pool)
        self._prefix = prefix
        self._locks = ValkeyLocks(self._client, prefix)
        self._sign_ins = ValkeySignIns(self._client, prefix)
        self._reserve = self._client.register_script(scripts.RESERVE)
        self._release = self._client.register_script(scripts.RELEASE)
        self._usage = self._client.register_script(scripts.USAGE)
        self._standing = self._client.register_script(scripts.STANDING)
        self._sweep_sender = self._client.register_script(scripts.SWEEP_SENDER)

    # -- counts ----------------------------------------------------------------------------------

    async def reserve(
        self, user: str, recipients: int, limit: int | None, now: float
    ) -> Counted | Lock:
        """Count a message's recipients, or lock the account."""
        token = secrets.token_hex(8)
        shared = (self._key(name) for name in ("senders", "top", "locks", "untold"))
        times = (repr(now), repr(now - DAY), repr(now - KEPT))
        bound = "" if limit is None else limit
        with _translated():
            kind, value = await self._reserve(
                keys=[*self._keys_of(user), *shared],
                args=[user, recipients, bound, *times, token],
            )
        if kind == "lock":
            return unpack_lock(value)
        return Counted(f"{token}:{recipients}:{user}", int(value))

    async def release(self, reservation: str) -> None:
        """Take a message back."""
        token, _, rest = reservation.partition(":")
        recipients, _, user = rest.partition(":")
        if not (user and recipients.isascii() and recipients.isdigit()):
            return
        with _translated():
            await self._release(
                keys=[*self._keys_of(user), self._key("top")],
                args=[user, f"{token}:{recipients}", recipients],
            )

    async def standing(self, user: str, now: float) -> Standing:
        """Return the lock, the recipients and the last unlock of a user."""
        keys = [*self._keys_of(user), self._key("locks"), self._key("unlocks")]
        with _translated():
            lock, used, at = await self._standing(keys=keys, args=[user, repr(now - DAY)])
        return Standing(unpack_lock(lock) if lock else None, int(used), float(at))

    async def used(self, user: str, now: float) -> int:
        """Return the recipients of the 24 hours before ``now``."""
        return (await self._usage_of(user, now)).recipients

    async def hours(self, user: str, now: float) -> tuple[int, ...]:
        """Return the recipients of each of the 24 hours before ``now``, the oldest first."""
        found, number = [0] * 24, 0
        window = (self._keys_of(user)[0], f"({now - DAY!r}", "+inf")
        while True:
            with _translated():
                rows = await self._client.zrangebyscore(*window, number, _PAGE, withscores=True)
            for row, at in rows:
                age = int(max(0.0, min(23.0, (now - at) / 3600)))
                found[23 - age] += int(row.rpartition(":")[2])
            number += len(rows)
            if len(rows) < _PAGE:
                return tuple(found)

    async def top(self, now: float, limit: int = 20) -> list[Usage]:
        """Return the users with the most recipients, as :func:`counts.top` does."""
        best: list[Usage] = []
        number = 0
        while True:
            with _translated():
                page = await self._client.zrevrange(
                    self._key("top"), number, number + _PAGE - 1, withscores=True
                )
            for user, total in page:
                if total <= 0 or (len(best) >= limit and total <= best[limit - 1].recipients):
                    return best
                usage = await self._usage_of(user, now)
                best += [usage] if usage.messages > 0 else []
                best.sort(key=lambda one: (-one.recipients, one.user))
                del best[limit:]
            number += len(page)
            if len(page) < _PAGE:
                return best

    # -- locks -----------------------------------------------------------------------------------

    async def lock(self, lock: Lock) -> bool:
        """Lock an account; False if it is locked already."""
        with _translated():
            return await self._locks.add(lock)

    async def unlock(self, user: str, *, forget: bool, now: float) -> bool:
        """Unlock an account; False if it was not locked."""
        with _translated():
            return await self._locks.lift(user, forget=forget, now=now)

    async def lock_of(self, user: str) -> Lock | None:
        """Return the lock of an account."""
        with _translated():
            return await self._locks.find(user)

    async def locks(self) -> list[Lock]:
        """Return all locks, the newest first."""
        with _translated():
            return await self._locks.active()

    async def untold(self) -> list[Lock]:
        """Return the locks that the administrator was not told of, oldest first."""
        with _translated():
            return await self._locks.untold()

    async def told(self, lock: Lock) -> None:
        """Note that the administrator was told of a lock."""
        with _translated():
            await self._locks.tell(lock)

    # -- sign-ins --------------------------------------------------------------------------------

    async def failed(self, failure: SignInFailure) -> None:
        """Note a sign-in that failed."""
        with _translated():
            await self._sign_ins.failed(failure)

    async def failures(self, user: str, network: str, since: float) -> Failures:
        """Return how many sign-ins failed after ``since``."""
        with _translated():
            return await self._sign_ins.failures(user, network, since)

    async def recent_failures(self, limit: int = 100) -> list[SignInFailure]:
        """Return the newest failures, newest first."""
        with _translated():
            return await self._sign_ins.recent(limit)

    async def pardon(self, user: str) -> int:
        """Count an account's failures no more; return how many."""
        with _translated():
            return await self._sign_ins.pardon(user)

    async def signed_in(self, user: str, network: str, now: float) -> None:
        """Note a sign-in that succeeded."""
        with _translated():
            await self._sign_ins.signed_in(user, network, now)

    # -- upkeep ----------------------------------------------------------------------------------

    async def sweep(self, now: float) -> int:
        """Delete what has passed; return how many rows."""
        with _translated():
            swept = await self._sweep_senders(now - KEPT) + await self._locks.sweep(now - KEPT)
            return swept + await self._sign_ins.sweep(now)

    async def aclose(self) -> None:
        """Disconnect."""
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()

    async def _sweep_senders(self, before: float) -> int:
        swept, senders, top = 0, self._key("senders"), self._key("top")
        while users := await self._client.zrangebyscore(
            senders, "-inf", repr(before), start=0, num=_PAGE
        ):
            some = 0
            for user in users:
                keys = [*self._keys_of(user), senders, top]
                some += await self._sweep_sender(keys=keys, args=[user, repr(before)])
            swept += some
            if not some:
                break
        return swept

    async def _usage_of(self, user: str, now: float) -> Usage:
        with _translated():
            recipients, messages = await self._usage(
                keys=self._keys_of(user), args=[repr(now - DAY)]
            )
        return Usage(user, int(recipients), int(messages))

    def _keys_of(self, user: str) -> list[str]:
        return [self._key("rows:" + user), self._key("sender:" + user)]

    def _key(self, name: str) -> str:
        return self._prefix + name


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise TablesUnavailableError(f"shared store: {error}") from error
