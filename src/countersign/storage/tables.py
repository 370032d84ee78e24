"""The tables that all gateway processes share: sessions, suspensions, blocks, counters.

Two implementations: :mod:`countersign.storage.local` (one host, memory-mapped) and
:mod:`countersign.storage.valkey` (a farm of hosts). Times are seconds since the epoch, as
floats, given by the caller; a row whose time has passed reads as absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that this server has open towards a receiver (DESIGN §3.2)."""

    session_id: str
    receiver_address: str
    """IP address the sender connected to, in canonical text form."""
    mx_host: str
    """Normalised name of the MX host that was connected to."""
    opened_at: float
    asked: bool = False
    """True once a question about it was answered TRUE: an id is good for one answer."""


class SuspensionKind(StrEnum):
    """Why questions from a receiver are suspended (DESIGN §3.5)."""

    ANSWERED = "answered"
    """After an ordinary answer."""
    WRONG_ID = "wrong-id"
    """After a question about an id that is not open."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Questions from one receiver network are refused until a time."""

    kind: SuspensionKind
    until: float


@dataclass(frozen=True, slots=True)
class Block:
    """A client network blocked for one claimed host (DESIGN §3.6)."""

    network: str
    """Key form of the client's address: an IPv4 address or an IPv6 /64 prefix."""
    claimed_host: str
    reason: str
    since: float
    until: float


class Tables(Protocol):
    """What gateway processes share. Every method may raise :class:`TablesUnavailableError`."""

    async def open_session(self, session: OpenSession) -> None:
        """Store a row that is owned by this process: it dies with the process."""

    async def close_session(self, session_id: str) -> None:
        """Delete a row; no error if it is gone already."""

    async def find_session(self, session_id: str) -> OpenSession | None:
        """Return the row if it is open and its owning process is alive."""

    async def mark_asked(self, session_id: str) -> bool:
        """Atomically mark a row as asked; False if it was already, or is gone."""

    async def suspension(self, network: str, now: float) -> Suspension | None:
        """Return the suspension of a receiver's network in force at ``now``."""

    async def suspend(self, network: str, suspension: Suspension) -> None:
        """Start, or replace, a suspension. WRONG_ID in force is never weakened to ANSWERED."""

    async def block(self, block: Block) -> None:
        """Start, or replace, the block of (network, claimed host)."""

    async def blocks_of(self, network: str, now: float) -> list[Block]:
        """Return the blocks in force for a client network."""

    async def unblock(self, network: str, claimed_host: str | None = None) -> int:
        """Lift blocks of a network (of one claimed host, or all); return how many."""

    async def list_blocks(self, now: float, limit: int = 1000) -> list[Block]:
        """Return blocks in force, the newest first, at most ``limit``."""

    async def count(self, counter: str, window: float, now: float) -> int:
        """Add one to a counter that starts anew every ``window`` seconds; return its value."""

    async def sweep(self, now: float) -> int:
        """Delete expired rows and rows of dead processes; return how many."""

    async def aclose(self) -> None:
        """Delete this process's own session rows and release the store."""


class TablesUnavailableError(Exception):
    """The shared store cannot be reached: the caller must answer 'could not tell' (4yz)."""
