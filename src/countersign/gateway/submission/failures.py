"""Failed sign-ins of one worker: counted in the tables, bounded while they are being judged."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import structlog
from cachetools import TTLCache

from countersign.gateway.metrics import Metrics
from countersign.gateway.submission.settings import SignIn as Settings
from countersign.gateway.submission.sources.interface import (
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.gateway.submission.turns import BusyError, Turns
from countersign.rules.network import network_key
from countersign.rules.sign_in import FailureCounts, FailureLimits, counted_name, may_try
from countersign.storage.submission.tables import SignInFailure, SubmissionTables
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

LIMITED = "limited"
_REASONS = frozenset({"password", "syntax", "disabled", "authorisation", "domain"})
"""Reasons of :class:`Rejected` that are counted under their own names."""
_OF_NETWORK = 4
"""Passwords from one network that are looked at at the same moment, in each worker: of accounts
that were never in it."""
_OF_ACCOUNT = 2
"""The same, of one account from networks that it was never in."""
_WAITING = 64
_NOTE_SECONDS = 60.0
"""How often the same refusal without a look at the password is written down."""
_MOST_NOTES = 4096


class FailureGuard:
    """What was counted decides before a password is looked at. One for a worker.

    So many workers as there are, so many times more may be judged at the same moment. Methods
    raise :class:`TablesUnavailableError`: see :meth:`as_unavailable`.
    """

    def __init__(
        self,
        settings: Settings,
        tables: SubmissionTables,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._tables = tables
        self._metrics = metrics
        self._clock = clock
        self._window = settings.failures_window
        self._limits = FailureLimits(
            of_network=settings.failures_of_network,
            of_account_there=settings.failures_of_account_there,
            of_account=settings.failures_of_account,
        )
        self._there = Turns(1, _WAITING)
        self._accounts = Turns(_OF_ACCOUNT, _WAITING)
        self._networks = Turns(_OF_NETWORK, _WAITING)
        self._noted: TTLCache[tuple[str, str, str], None] = TTLCache(_MOST_NOTES, _NOTE_SECONDS)

    async def is_within(self, user: str, network: str) -> bool:
        """Tell whether a password of a user may be looked at."""
        allowed, _ = await self._look_up(user, network)
        return allowed

    @contextlib.asynccontextmanager
    async def turn(self, user: str, network: str) -> AsyncIterator[bool]:
        """Wait until few others are being judged; tell whether a password may be looked at.

        So that guesses at the same moment find the limits too. Who comes from a network that the
        account knows never waits for those who do not. Raises :class:`BusyError`.
        """
        name = counted_name(user)
        async with contextlib.AsyncExitStack() as turns:
            await turns.enter_async_context(self._there.take(f"{network} {name}"))
            allowed, is_known = await self._look_up(user, network)
            if allowed:
                if not is_known:
                    await turns.enter_async_context(self._accounts.take(name))
                    await turns.enter_async_context(self._networks.take(network))
                # What was judged while this one waited counts.
                allowed = await self.is_within(user, network)
            yield allowed

    async def count(self, result: SignedIn | Rejected, user: str, network: str) -> None:
        """Count what came of an attempt. user: as the source named it."""
        name, now = counted_name(user), self._clock()
        if isinstance(result, SignedIn):
            await self._tables.signed_in(name, network, now)
            self._metrics.signed_in("ok")
            return
        reason = result.reason if result.reason in _REASONS else "password"
        await self._tables.failed(SignInFailure(now, name, network, reason))
        self._metrics.signed_in(reason)
        log.info("sign-in failed", network=network, reason=reason)

    async def limited(self, user: str, network: str) -> Rejected:
        """Return the refusal of an attempt beyond the limits."""
        if await self.note(user, network, LIMITED):
            log.warning("too many sign-ins fail", network=network)
        return Rejected(user, LIMITED)

    async def note(self, user: str, network: str, reason: str) -> bool:
        """Write down a refusal that counts nothing, once in a while; False: it was lately."""
        self._metrics.signed_in(reason)
        key = (counted_name(user), network, reason)
        if key in self._noted:
            return False
        self._noted[key] = None
        await self._tables.failed(SignInFailure(self._clock(), key[0], network, reason))
        return True

    @contextlib.contextmanager
    def as_unavailable(self) -> Iterator[None]:
        """Turn what keeps an attempt from being counted into 'could not tell', and count that."""
        try:
            yield
        except SourceUnavailableError:
            self._metrics.signed_in("unavailable")
            raise
        except TablesUnavailableError as error:
            self._metrics.signed_in("unavailable")
            raise SourceUnavailableError(f"failures cannot be counted: {error}") from error
        except BusyError:
            self._metrics.signed_in("busy")
            raise SourceUnavailableError("too many sign-ins at once") from None

    async def _look_up(self, user: str, network: str) -> tuple[bool, bool]:
        """Tell whether an attempt is within the limits, and whether the network is known."""
        since = self._clock() - self._window
        found = await self._tables.failures(counted_name(user), network, since)
        counts = FailureCounts(
            of_network=found.of_network,
            of_account_there=found.of_account_there,
            of_account=found.of_account,
            is_known=found.is_known,
        )
        return may_try(counts, self._limits), found.is_known


def network_of(client_address: str) -> str:
    """Return the key under which a client is counted; those without an address are of this host."""
    try:
        return network_key(client_address)
    except ValueError:
        return "local"
