"""Tells the registrar what waits in the users' file, until it knows (DESIGN §5).

An order is sent with the same idempotency key until its outcome is noted, so that neither a
crash between the two nor a lost answer does it twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import structlog

from countersign.gateway.registrar_link.client import RegistrarClient
from countersign.gateway.registrar_link.errors import RegistrarAwayError, RegistrarRefusedError
from countersign.storage.submission.account_rows import Order, OrderKind
from countersign.storage.submission.accounts import Accounts
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0
"""How often it is looked for orders that another process has queued."""
HOLD_SECONDS: Final = 120.0
"""How long an order that was taken is left alone by others."""
FIRST_BACK_OFF: Final = 10.0
MAX_BACK_OFF: Final = 3600.0
_MOST_AT_ONCE: Final = 10_000


class Courier:
    """Works through the orders of one host."""

    def __init__(
        self,
        accounts: Accounts,
        client: RegistrarClient,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock``: seconds since the epoch."""
        self._accounts = accounts
        self._client = client
        self._clock = clock
        self._away_until = 0.0
        self._times_away = 0
        self.trouble = ""
        """Why the last order waits; empty: none does."""

    async def run(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Deliver what is due until cancelled."""
        while True:
            try:
                await self.deliver_due()
            except TablesUnavailableError as error:
                log.error("orders to the registrar cannot be read", reason=str(error))
            await asyncio.sleep(look_seconds)

    async def deliver_due(self) -> int:
        """Deliver all orders that are due; return how many have come to an end.

        If the registrar is away the others are not tried: nor are they for a while. Raises
        :class:`TablesUnavailableError`.
        """
        ended, self.trouble = 0, ""
        for _ in range(_MOST_AT_ONCE):
            now = self._clock()
            if now < self._away_until:
                break
            order = await self._accounts.orders.take(now, HOLD_SECONDS)
            if order is None:
                break
            ended += await self._deliver(order)
        return ended

    async def _deliver(self, order: Order) -> bool:
        """Deliver one order; return whether it has come to an end."""
        try:
            async with asyncio.timeout(HOLD_SECONDS / 2):
                await self._carry_out(order)
        except RegistrarRefusedError as error:
            return await self._refused(order, error)
        except (RegistrarAwayError, TimeoutError) as error:
            await self._put_off(order, str(error) or "the registrar does not answer in time")
            self._away_until = self._clock() + _back_off(self._times_away)
            self._times_away += 1
            return False
        self._times_away = 0
        return True

    async def _carry_out(self, order: Order) -> None:
        if order.kind is OrderKind.REGISTER:
            await self._register(order)
        elif order.kind is OrderKind.REVOKE:
            await self._revoke(order)
        else:
            answer = await self._client.ask_offender(order.payload, key=order.key)
            month = answer.month.isoformat()[:7] if answer.month else None
            await self._accounts.orders.answered(order, answer.level, month, self._clock())

    async def _register(self, order: Order) -> None:
        identifier = order.payload["identifier"]
        try:
            user = await self._client.register_user(
                identifier,
                order.payload["accepted_on"],
                order.payload["agreement_version"],
                key=order.key,
            )
        except RegistrarRefusedError:
            # Registered before, and the registrar has forgotten the key since (24 hours)?
            found = await self._client.find_user(identifier)
            if found is None:
                raise
            user = found
        await self._accounts.orders.registered(order, user.id, self._clock())

    async def _revoke(self, order: Order) -> None:
        number = order.payload["number"]
        if number is None:
            found = await self._client.find_user(order.payload["identifier"])
            number = None if found is None else found.id
        if number is not None:
            await self._end(order, number)
        await self._accounts.orders.revoked(order, self._clock())

    async def _end(self, order: Order, number: int) -> None:
        try:
            await self._client.revoke_user(number, key=order.key)
        except RegistrarRefusedError as error:
            # 404 may also say that the server's number or the token is wrong: then the list fails.
            if error.status != 404:
                raise
            if await self._client.find_user(order.payload["identifier"]) is not None:
                raise

    async def _refused(self, order: Order, error: RegistrarRefusedError) -> bool:
        words = str(error)
        if not error.is_final or await self._may_ask_later(order):
            await self._put_off(order, words)
            return False
        await self._accounts.orders.refused(order, words, self._clock())
        log.warning("registrar refuses order", order=order.id, kind=order.kind, reason=words)
        return True

    async def _may_ask_later(self, order: Order) -> bool:
        """Tell whether a question was refused because the day's questions are used up."""
        if order.kind is not OrderKind.OFFENDER:
            return False
        try:
            return (await self._client.me()).questions_left <= 0
        except (RegistrarAwayError, RegistrarRefusedError):
            return True

    async def _put_off(self, order: Order, words: str) -> None:
        self.trouble = words
        until = self._clock() + _back_off(order.attempts)
        await self._accounts.orders.put_off(order, until, words)
        log.info("order to the registrar waits", order=order.id, kind=order.kind, reason=words)


def _back_off(failures: int) -> float:
    # Spread, so that not all gateways come at the same moment when the registrar is back.
    longest = min(MAX_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(failures, 20))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
