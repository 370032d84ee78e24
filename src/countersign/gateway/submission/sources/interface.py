"""What submission asks of a source of passwords (DESIGN §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class SourceUnavailableError(Exception):
    """The source cannot be asked now: 454, never 'wrong password'."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """More is wanted of the client (334)."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The client has proven who it is."""

    user: str
    """The name under which everything is counted."""
    octets: bytes = b""
    """What the mechanism still says to the client; empty: nothing (RFC 4954 §4)."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The client has not proven who it is."""

    user: str
    """As far as it named one; may be anything the client liked to write."""
    reason: str = "password"


class Exchange(Protocol):
    """One AUTH command's dialogue (RFC 4422 §3)."""

    async def step(self, response: bytes | None) -> Challenge | SignedIn | Rejected:
        """Take what the client said; None: AUTH came without an initial response.

        Raises :class:`SourceUnavailableError`. After SignedIn or Rejected it is over. Octets that
        the mechanism does not allow are Rejected with the reason 'syntax'.
        """


class PasswordSource(Protocol):
    """Where passwords are checked. One per process."""

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms by name, the best first."""

    def begin(self, mechanism: str, client_address: str) -> Exchange:
        """Begin an exchange; ``mechanism`` is one of :attr:`mechanisms`."""

    async def recorded(self, name: str) -> str:
        """Return what is written down of a name that a client gave, and failures are counted by.

        A mark, where the source knows that there is no such account: it may be a password.
        Raises :class:`SourceUnavailableError`.
        """

    async def start(self) -> None:
        """Open what is needed."""

    async def aclose(self) -> None:
        """Release it."""
