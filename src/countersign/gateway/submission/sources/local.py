"""Users of this host: Argon2id for PLAIN and LOGIN, SCRAM-SHA-256 (DESIGN §5).

Nobody learns from replies, nor from how long they take, whether there is a user: for a name that
is unknown the same work is done, with values that are made up and stay the same. What cannot be
hidden: where `scram_iterations` was raised, users whose password was made before and who have
not signed in by PLAIN since still show the lower figure.
"""

from __future__ import annotations

import contextlib
import functools
import hmac

import structlog

from countersign.gateway.submission import passwords
from countersign.gateway.submission.settings import Local
from countersign.gateway.submission.sources.exchanges import password_exchange
from countersign.gateway.submission.sources.interface import (
    Exchange,
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.gateway.submission.sources.scram import ScramExchange
from countersign.gateway.submission.sources.threads import Threads
from countersign.rules.sign_in import counted_name
from countersign.rules.submission import normalise_user
from countersign.storage.submission.accounts import Accounts, Credentials, ScramValues
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
UNKNOWN = "unknown:"
"""Before the mark of a name that no account has."""
MARK_LENGTH = 16
_AT_ONCE = 4
"""Bounds the memory that sign-ins at once can take: 46 MiB each."""
_MOST = 256


class LocalSource:
    """Checks passwords against users.db."""

    def __init__(self, accounts: Accounts, settings: Local, secret: bytes) -> None:
        """secret: of the state directory, or the farm's; made-up values come from it."""
        self._accounts = accounts
        self._iterations = settings.scram_iterations
        self._secret = hmac.digest(secret, b"values of users that do not exist", "sha256")
        self._marks = hmac.digest(secret, b"marks of names without an account", "sha256")
        self._threads = Threads(_AT_ONCE, _MOST)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The mechanisms, the best first."""
        return MECHANISMS

    def begin(self, mechanism: str, client_address: str) -> Exchange:
        """Begin an exchange."""
        if mechanism == "SCRAM-SHA-256":
            return ScramExchange(self.scram_values)
        return password_exchange(mechanism, self._check)

    async def recorded(self, name: str) -> str:
        """Return the name of an account, or a mark: what is no account's name may be a password."""
        if not name:
            return ""
        with contextlib.suppress(ValueError):
            user = normalise_user(name)
            if await self._exists(user):
                return user
        counted = counted_name(name)
        if await self._exists(counted):
            return counted
        octets = counted.encode(errors="surrogatepass")
        return f"{UNKNOWN}{hmac.digest(self._marks, octets, 'sha256').hex()[:MARK_LENGTH]}"

    async def start(self) -> None:
        """Make the hash that stands for those of unknown users."""
        await self._threads.run(_decoy)

    async def aclose(self) -> None:
        """End the threads."""
        self._threads.close()

    async def scram_values(self, user: str) -> tuple[ScramValues, bool]:
        """Return what SCRAM checks a user by, and whether success would let it in.

        user: normalised. For one that is unknown, or has no such values, they are made up.
        """
        kept = await self._credentials(user)
        if kept is None or kept.scram is None:
            return self._made_up(user), False
        return kept.scram, not kept.is_disabled

    async def _check(self, name: str, password: str) -> SignedIn | Rejected:
        try:
            user = normalise_user(name)
        except ValueError:
            # No user can have such a name, as anybody may know.
            return Rejected(name, "syntax")
        kept = await self._credentials(user)
        is_right = await self._threads.run(
            lambda: passwords.verify(_decoy() if kept is None else kept.argon2_hash, password)
        )
        if kept is None or not is_right:
            return Rejected(user)
        if kept.is_disabled:
            return Rejected(user, "disabled")
        if passwords.is_outdated(kept, password, self._iterations):
            await self._renew(user, password, kept)
        return SignedIn(user)

    async def _renew(self, user: str, password: str, kept: Credentials) -> None:
        try:
            made = await self._threads.run(
                lambda: passwords.make_credentials(password, self._iterations)
            )
            # Unless the password was changed meanwhile.
            await self._accounts.renew(user, kept.argon2_hash, made)
        except (TablesUnavailableError, SourceUnavailableError) as error:
            log.warning("password not hashed anew", reason=str(error))

    async def _exists(self, user: str) -> bool:
        try:
            return await self._accounts.exists(user)
        except TablesUnavailableError as error:
            raise SourceUnavailableError(str(error)) from error

    async def _credentials(self, user: str) -> Credentials | None:
        try:
            return await self._accounts.credentials(user)
        except TablesUnavailableError as error:
            raise SourceUnavailableError(str(error)) from error

    def _made_up(self, user: str) -> ScramValues:
        def value(what: bytes) -> bytes:
            return hmac.digest(self._secret, what + b"\0" + user.encode(), "sha256")

        return ScramValues(
            value(b"salt")[: passwords.SALT_SIZE],
            value(b"stored key"),
            value(b"server key"),
            self._iterations,
        )


@functools.cache
def _decoy() -> str:
    return passwords.argon2_hash("nobody has this password")
