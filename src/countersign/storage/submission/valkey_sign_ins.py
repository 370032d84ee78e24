"""Failed sign-ins and known networks on Valkey, in a bounded number of rows."""

from __future__ import annotations

import json
import secrets
from typing import Any

from countersign.storage.submission import valkey_scripts as scripts
from countersign.storage.submission.sign_ins import (
    FAILURES_KEPT,
    KNOWN_SECONDS,
    MAX_FAILURES,
    MAX_KNOWN,
    MAX_SHARE,
    REFRESH_SECONDS,
    cut_name,
    is_counted,
)
from countersign.storage.submission.tables import Failures, SignInFailure

_PAGE = 500


class ValkeySignIns:
    """The part of the tables that is about sign-ins. Raises the client's errors as they are."""

    def __init__(self, client: Any, prefix: str) -> None:
        """``client``: of redis.asyncio, with decoded responses."""
        self._client = client
        self._failures = f"{prefix}failures"
        self._known = f"{prefix}known:"
        self._users = f"{prefix}known-users"
        self._add = client.register_script(scripts.ADD_FAILURE)
        self._pardon = client.register_script(scripts.PARDON_FAILURES)
        self._sweep_failures = client.register_script(scripts.SWEEP_FAILURES)
        self._know = client.register_script(scripts.KNOW)
        self._sweep_known = client.register_script(scripts.SWEEP_KNOWN)

    async def failed(self, failure: SignInFailure) -> None:
        """Note a failure."""
        row = {
            "at": repr(failure.at),
            "user": cut_name(failure.user),
            "network": failure.network,
            "reason": failure.reason,
            "is_counted": is_counted(failure),
        }
        args = [secrets.token_hex(8), repr(failure.at), json.dumps(row), MAX_FAILURES, MAX_SHARE]
        await self._add(keys=[self._failures], args=args)

    async def failures(self, user: str, network: str, since: float) -> Failures:
        """Return how many sign-ins failed after ``since``."""
        name, begin = cut_name(user), f"({since!r}"
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.zcount(f"{self._failures}:network:{network}", begin, "+inf")
            pipeline.zcount(f"{self._failures}:user:{name}", begin, "+inf")
            pipeline.zcount(f"{self._failures}:there:{network} {name}", begin, "+inf")
            pipeline.zscore(self._known + name, network)
            of_network, of_account, there, known_at = await pipeline.execute()
        is_known = known_at is not None and known_at > since - KNOWN_SECONDS
        return Failures(of_network, of_account, there, is_known)

    async def recent(self, limit: int) -> list[SignInFailure]:
        """Return the newest failures, newest first."""
        ids = await self._client.zrevrange(self._failures, 0, limit - 1) if limit > 0 else []
        if not ids:
            return []
        rows = await self._client.hmget(f"{self._failures}:rows", ids)
        found = (json.loads(row) for row in rows if row is not None)
        return [
            SignInFailure(float(row["at"]), row["user"], row["network"], row["reason"])
            for row in found
        ]

    async def pardon(self, user: str) -> int:
        """Count an account's failures no more; return how many."""
        return int(await self._pardon(keys=[self._failures], args=[cut_name(user)]))

    async def signed_in(self, user: str, network: str, now: float) -> None:
        """Note a sign-in that succeeded."""
        name = cut_name(user)
        known_at = await self._client.zscore(self._known + name, network)
        if known_at is None or known_at <= now - REFRESH_SECONDS:
            await self._know(
                keys=[self._known + name, self._users],
                args=[name, repr(now), network, repr(now - KNOWN_SECONDS), MAX_KNOWN],
            )

    async def sweep(self, now: float) -> int:
        """Delete what has passed; return how many rows."""
        swept = 0
        before = repr(now - FAILURES_KEPT)
        while some := await self._sweep_failures(keys=[self._failures], args=[before]):
            swept += some
        before = repr(now - KNOWN_SECONDS)
        async for user, _ in self._client.zscan_iter(self._users, count=_PAGE):
            swept += await self._sweep_known(
                keys=[self._known + user, self._users], args=[user, before]
            )
        return int(swept)
