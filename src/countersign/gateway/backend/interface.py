"""What receiving and submission ask of a backend: an MTA behind us, or a Maildir.

A backend answers each step with the reply that the client gets. Its last reply is the only
thing that makes a message acknowledged (DESIGN §4, Delivery).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from countersign.protocol.command import Envelope
from countersign.protocol.reply import Reply, reply

UNAVAILABLE = reply(451, "4.3.0", "The mail system behind this gateway is out of reach, try later")

FATE_UNKNOWN = reply(451, "4.3.0", "The mail system behind this gateway was lost, try again later")
"""The connection broke after the message had gone out whole: it may have been taken."""


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What a backend may be told of the client."""

    address: str
    port: int
    local_address: str
    local_port: int
    hello: str
    extended: bool
    """EHLO was used."""
    login: str = ""
    """The user who signed in; empty: nobody."""


class BackendSession(Protocol):
    """A backend as one client's session uses it. No method raises for backend trouble."""

    one_recipient: bool
    """True if each recipient needs a transaction of its own (LMTP: a reply for each)."""

    async def mail(self, client: ClientFacts, envelope: Envelope) -> Reply:
        """Begin a transaction."""

    async def rcpt(self, envelope: Envelope) -> Reply:
        """Add a recipient."""

    async def data(self) -> Reply:
        """Ask to send the content: 354, or why not."""

    async def content(self, data: bytes) -> None:
        """Pass a piece of the content; trouble shows in :meth:`end_of_content`."""

    async def end_of_content(self) -> Reply:
        """End the content; a positive reply means that the message is safe.

        Returns :data:`FATE_UNKNOWN` itself if it may be, or may not.
        """

    async def keep_alive(self) -> None:
        """Keep the transaction from timing out while the content is waited for elsewhere."""

    async def abandon(self) -> None:
        """Make sure that a message half passed is not delivered."""

    async def reset(self) -> None:
        """End the transaction, if there is one."""

    async def close(self) -> None:
        """Release the connection."""


class Backend(Protocol):
    """Makes sessions; one per worker."""

    @property
    def parameters(self) -> frozenset[str]:
        """Keywords of the MAIL and RCPT parameters that it takes."""

    def session(self) -> BackendSession:
        """Return a session for one client; connects when it is first needed."""

    async def start(self) -> None:
        """Begin to learn what the backend can do."""

    async def close(self) -> None:
        """Release idle connections."""
