"""Verification of a client: registry and DNS at the same time, then the callback (DESIGN §3.3)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from cachetools import TTLCache

from countersign.gateway.config import Config
from countersign.gateway.receiving.callback import Answer, Callback, ask
from countersign.registry.lookup import (
    Registry,
    RegistryEntry,
    RegistryUnavailableError,
    Standing,
)
from countersign.rules.network import is_callback_target, network_key
from countersign.rules.verification import Outcome, refusal_by_registry
from countersign.transport.resolver import NameNotFoundError, ResolutionFailedError, Resolver

Ask = Callable[[Callback, str, ssl.SSLContext], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client claims, and where it did so."""

    host: str
    session_id: str
    client_address: str
    local_address: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a verification ended."""

    outcome: Outcome
    is_stale: bool = False
    """It rests on a copy of the registry that is past its age limit (DESIGN §7)."""


_OUTCOMES = {
    Answer.TRUE: Outcome.PROVEN,
    Answer.FALSE: Outcome.FALSE,
    Answer.SUSPENDED: Outcome.QUESTION_SUSPENDED,
    Answer.PIN_MISMATCH: Outcome.PIN_MISMATCH,
    Answer.UNREACHABLE: Outcome.UNREACHABLE,
}


class Verifier:
    """Verifies claims; one per worker."""

    def __init__(
        self,
        config: Config,
        registry: Registry,
        resolver: Resolver,
        tls: ssl.SSLContext,
        own_addresses: frozenset[str],
    ) -> None:
        self._config = config
        self._settings = config.verification
        self._registry = registry
        self._resolver = resolver
        self._tls = tls
        self._own_addresses = own_addresses
        # Keeps us from being made to knock on a host that does not answer (DESIGN §3.8).
        self._unreachable: TTLCache[str, Outcome] = TTLCache(
            10_000, self._settings.unreachable_seconds
        )
        self._in_flight: dict[tuple[str, str], _Turnstile] = {}

    async def verify(self, claim: Claim) -> Verdict:
        """Return how the verification of a claim ended; bounded in time, never raises."""
        known = self._unreachable.get(claim.host)
        if known is not None:
            return Verdict(known)
        async with self._turn(claim) as admitted:
            if not admitted:
                return Verdict(Outcome.TOO_MANY_ATTEMPTS)
            try:
                async with asyncio.timeout(self._settings.callback_timeout):
                    verdict = await self._verify(claim)
            except TimeoutError:
                verdict = Verdict(Outcome.UNREACHABLE)
        if verdict.outcome in (Outcome.UNREACHABLE, Outcome.NO_ADDRESS, Outcome.DNS_FAILED):
            self._unreachable[claim.host] = verdict.outcome
        return verdict

    @contextlib.asynccontextmanager
    async def _turn(self, claim: Claim) -> AsyncIterator[bool]:
        """Let one callback at a time go to a host for a client's network."""
        key = (claim.host, network_key(claim.client_address))
        turnstile = self._in_flight.setdefault(key, _Turnstile())
        if turnstile.users > self._settings.callback_max_waiting:
            yield False
            return
        turnstile.users += 1
        try:
            async with turnstile.lock:
                yield True
        finally:
            turnstile.users -= 1
            if not turnstile.users:
                self._in_flight.pop(key, None)

    async def _verify(self, claim: Claim) -> Verdict:
        resolving = asyncio.ensure_future(self._addresses(claim, fresh=False))
        try:
            entry = await self._registry.look_up(claim.host)
        except RegistryUnavailableError:
            return Verdict(Outcome.REGISTRY_UNAVAILABLE)
        else:
            refused = refusal_by_registry(
                is_listed=entry.standing is not Standing.ABSENT,
                is_suspended=entry.standing is Standing.SUSPENDED,
                is_stale=entry.is_stale,
            )
            outcome = refused or await self._call_back(claim, entry, resolving)
            return Verdict(outcome, entry.is_stale)
        finally:
            resolving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(resolving, return_exceptions=True)

    async def _call_back(
        self, claim: Claim, entry: RegistryEntry, resolving: asyncio.Future[list[str]]
    ) -> Outcome:
        try:
            addresses = await resolving
            if not addresses:
                return Outcome.NO_ADDRESS
            answer = await self._ask_in_turn(claim, entry, addresses)
            if answer in (Answer.FALSE, Answer.UNREACHABLE):
                # A dynamic address may have moved on from what our cache holds (DESIGN §3).
                moved = await self._addresses(claim, fresh=True)
                others = [address for address in moved if address not in addresses]
                if others:
                    answer = await self._ask_in_turn(claim, entry, others)
        except NameNotFoundError:
            return Outcome.NO_ADDRESS
        except ResolutionFailedError:
            return Outcome.DNS_FAILED
        return _OUTCOMES[answer]

    async def _addresses(self, claim: Claim, *, fresh: bool) -> list[str]:
        found = await self._resolver.addresses(claim.host, fresh=fresh)
        permitted = [
            address
            for address in found
            if is_callback_target(
                address,
                own_addresses=self._own_addresses | {claim.local_address},
                permitted_networks=self._settings.callback_networks,
            )
        ]
        # Asked from another address than the one the sender connected to, the claimed host says
        # FALSE, unless our certificate proves who we are: so the other family comes last or never.
        is_ipv6 = ":" in claim.local_address
        usable = [address for address in permitted if (":" in address) == is_ipv6]
        if self._config.tls.certificate is not None:
            usable += [address for address in permitted if address not in usable]
        return usable[: self._settings.callback_max_addresses]

    async def _ask_in_turn(
        self, claim: Claim, entry: RegistryEntry, addresses: list[str]
    ) -> Answer:
        """Ask one address after the other until one gives an answer."""
        callback = Callback(
            claimed_host=claim.host,
            session_id=claim.session_id,
            own_name=self._config.hostname,
            local_address=claim.local_address,
            port=self._settings.callback_port,
            timeout=max(1.0, self._settings.callback_timeout / 2),
            pins=entry.pins,
        )
        answer = Answer.UNREACHABLE
        for address in addresses:
            answer = await ask(callback, address, self._tls)
            if answer is not Answer.UNREACHABLE:
                break
        return answer


class _Turnstile:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
