"""Signing in: a source of passwords, and around it the limits on failures (DESIGN §5).

The log names no users: what somebody typed into the wrong field may be a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from countersign.gateway.metrics import Metrics
from countersign.gateway.submission.failures import FailureGuard, network_of
from countersign.gateway.submission.names import is_guess, named_user
from countersign.gateway.submission.settings import SignIn as Settings
from countersign.gateway.submission.sources.interface import (
    Challenge,
    Exchange,
    PasswordSource,
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.protocol.sasl import SaslSyntaxError, plain_response
from countersign.rules.sign_in import counted_name
from countersign.storage.submission.tables import SubmissionTables
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

IN_CLEAR = "in-clear"
Result = Challenge | SignedIn | Rejected
Ask = Callable[[], Coroutine[Any, Any, Result]]
_LAST_SECONDS = 10.0
"""That what is being judged has at the end of the process."""


class SignIn:
    """One for a worker. A refusal for too many failures is ``Rejected(user, "limited")``."""

    def __init__(
        self,
        settings: Settings,
        source: PasswordSource,
        tables: SubmissionTables,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock``: seconds since the epoch."""
        self._settings = settings
        self._source = source
        self._guard = FailureGuard(settings, tables, metrics, clock)
        self._running: set[asyncio.Task[Result]] = set()

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What is offered: what the settings name and the source knows."""
        known = self._source.mechanisms
        return tuple(name for name in self._settings.mechanisms if name in known)

    async def start(self) -> None:
        """Open the source."""
        await self._source.start()

    async def aclose(self) -> None:
        """Let what is being judged be counted, then release the source."""
        if self._running:
            await asyncio.wait(self._running, timeout=_LAST_SECONDS)
        await self._source.aclose()

    def begin(self, mechanism: str, client_address: str) -> Exchange:
        """Begin the exchange of an AUTH command; ``mechanism`` is one of :attr:`mechanisms`.

        Its steps raise :class:`SourceUnavailableError` also if failures cannot be counted.
        """
        inner = self._source.begin(mechanism, client_address)
        return _LimitedExchange(self, mechanism, network_of(client_address), inner)

    async def check(self, user: str, password: str, client_address: str) -> SignedIn | Rejected:
        """Judge a password that was typed into a web page, within the same limits.

        Raises :class:`SourceUnavailableError`.
        """
        try:
            response = plain_response(user, password)
        except SaslSyntaxError:
            # Nothing that could be a guess.
            return Rejected(user, "syntax")
        result = await self.begin("PLAIN", client_address).step(response)
        if isinstance(result, Challenge):
            raise SourceUnavailableError("the source asks for more than a password")
        return result

    async def in_clear(self, client_address: str) -> None:
        """Count an attempt to sign in outside TLS. It never raises."""
        log.info("sign-in outside TLS refused", client=client_address)
        with contextlib.suppress(TablesUnavailableError):
            await self._guard.note("", network_of(client_address), IN_CLEAR)

    async def recorded(self, user: str) -> str:
        """Return what is written down of a name that a client gave."""
        with self._guard.as_unavailable():
            return await self._source.recorded(user)

    async def refuse_early(self, user: str, network: str) -> Rejected | None:
        """Return the refusal of an attempt of which only the name is known yet."""
        with self._guard.as_unavailable():
            if await self._guard.is_within(user, network):
                return None
            return await self._guard.limited(user, network)

    async def judge(self, user: str, network: str, ask: Ask) -> Result:
        """Ask the source about a password, within the limits, and count what comes of it.

        What was begun is brought to its end and counted though the client has gone: otherwise
        who leaves early could guess, or make us work, uncounted.
        """
        task = asyncio.create_task(self._judge(user, network, ask))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _judge(self, user: str, network: str, ask: Ask) -> Result:
        with self._guard.as_unavailable():
            async with self._guard.turn(user, network) as allowed:
                if not allowed:
                    return await self._guard.limited(user, network)
                return await self._counted(await ask(), user, network)

    async def _counted(self, result: Result, user: str, network: str) -> Result:
        if isinstance(result, Challenge):
            return result
        name = result.user or user
        if isinstance(result, Rejected) and result.user:
            name = await self._source.recorded(result.user)
        # Another spelling of a name whose failures may have reached a limit. Whether the
        # password was right is not told then.
        is_other = counted_name(name) != counted_name(user)
        if is_other and not await self._guard.is_within(name, network):
            return await self._guard.limited(name, network)
        await self._guard.count(result, name, network)
        return result

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Nobody may be left to hear of it.
            task.exception()


class _LimitedExchange:
    """An exchange within the limits on failures."""

    def __init__(self, sign_in: SignIn, mechanism: str, network: str, inner: Exchange) -> None:
        self._sign_in = sign_in
        self._mechanism = mechanism
        self._network = network
        self._inner = inner
        self._user = ""
        self._messages = 0

    async def step(self, response: bytes | None) -> Result:
        """Take what the client said. Raises :class:`SourceUnavailableError`."""
        if response is None:
            return await self._inner.step(None)
        number, self._messages = self._messages, self._messages + 1
        if number == 0:
            named = named_user(self._mechanism, response)
            self._user = await self._sign_in.recorded(named)
            if not is_guess(self._mechanism, number):
                refused = await self._sign_in.refuse_early(self._user, self._network)
                if refused is not None:
                    return refused
        return await self._sign_in.judge(
            self._user, self._network, lambda: self._inner.step(response)
        )
