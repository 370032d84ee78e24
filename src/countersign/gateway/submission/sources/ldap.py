"""Passwords that a directory checks (DESIGN §5): see :mod:`.directory`."""

from __future__ import annotations

from countersign.gateway.submission.settings import Ldap
from countersign.gateway.submission.sources.directory import Directory
from countersign.gateway.submission.sources.exchanges import password_exchange
from countersign.gateway.submission.sources.interface import (
    Exchange,
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.gateway.submission.sources.threads import Threads
from countersign.rules.submission import normalise_user

MECHANISMS = ("PLAIN", "LOGIN")
_AT_ONCE = 8
_MOST = 256


class LdapSource:
    """Asks a directory."""

    def __init__(self, settings: Ldap) -> None:
        self._directory = Directory(settings)
        self._threads = Threads(_AT_ONCE, _MOST)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The mechanisms: those in which the password itself comes, which the bind wants."""
        return MECHANISMS

    def begin(self, mechanism: str, client_address: str) -> Exchange:
        """Begin an exchange."""
        return password_exchange(mechanism, self._check)

    async def recorded(self, name: str) -> str:
        """Return the name: only a search would tell whether there is such an entry."""
        return name

    async def start(self) -> None:
        """Do nothing: a connection is made for each question."""

    async def aclose(self) -> None:
        """End the threads."""
        self._threads.close()

    async def _check(self, name: str, password: str) -> SignedIn | Rejected:
        try:
            asked = normalise_user(name)
        except ValueError:
            return Rejected(name, "syntax")
        found = await self._threads.run(lambda: self._directory.ask(asked, password))
        if not found.user:
            return Rejected(asked)
        try:
            user = normalise_user(found.user)
        except ValueError as error:
            raise SourceUnavailableError(f"directory: a strange name: {error}") from error
        return SignedIn(user) if found.is_right else Rejected(user)
