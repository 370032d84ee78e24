"""What the test mailbox hands over, and what it asks whoever runs it. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from countersign.certification.outcome import BatteryResult
from countersign.certification.test_address import Kind, TestAddress

HEAD = 8192
"""Octets of a message that are kept."""


class MailboxUnavailableError(Exception):
    """Nothing can be looked up, or kept, at present: the client is asked to come again (451)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to one or more test addresses, of kinds 'r' and 'b'."""

    addresses: tuple[TestAddress, ...]
    from_address: str
    """IP address that it came from."""
    hello: str
    """What the client called itself, made printable; 255 characters at most."""
    head: bytes
    """Its beginning, `HEAD` octets at most."""


Knows = Callable[[str, Kind], Awaitable[bool]]
"""Tells whether there is a test with a mark. May raise :class:`MailboxUnavailableError`."""

Deliver = Callable[[Message], Awaitable[None]]
"""Keeps a message: it is acknowledged when this returns, and may come again if it does not.
May raise :class:`MailboxUnavailableError`."""


class Senders(Protocol):
    """Keeps the tests of servers as senders. All may raise :class:`MailboxUnavailableError`."""

    async def host_of(self, mark: str) -> str | None:
        """Return the host name whose test has a mark and is still open; None: there is none."""

    async def record(self, mark: str, result: BatteryResult) -> None:
        """Keep what was found out; a later result of the same test replaces an earlier one."""
