"""The one interface behind which the registry is looked up (DESIGN §3.3, §7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Standing(StrEnum):
    """How a hostname stands in the registry."""

    REGISTERED = "registered"
    """In the registry, with sending privileges granted."""
    SUSPENDED = "suspended"
    """In the registry, sending privileges withdrawn."""
    ABSENT = "absent"
    """Not in the registry."""


@dataclass(frozen=True, slots=True)
class KeyPin:
    """A TLSA-form pin of a server's key (RFC 6698 §2.1), checked at the callback."""

    selector: int
    """0: the whole certificate; 1: SubjectPublicKeyInfo."""
    matching_type: int
    """0: exact bytes; 1: SHA-256; 2: SHA-512."""
    data: bytes


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """What the registry says of one hostname."""

    hostname: str
    standing: Standing
    pins: tuple[KeyPin, ...] = ()
    """The callback must match one of them; empty: no pin."""
    reason: str = ""
    """Why a server is suspended: public text."""
    is_stale: bool = False
    """It is of a copy past its age limit, and nobody could be asked (DESIGN §7)."""


class Registry(Protocol):
    """A source of registry entries."""

    async def look_up(self, hostname: str) -> RegistryEntry:
        """Return the entry of a normalised hostname; ABSENT is an answer, not an error.

        Raises :class:`RegistryUnavailableError` when the registry could not be asked.
        """

    async def aclose(self) -> None:
        """Release files and sockets."""


class RegistryUnavailableError(Exception):
    """The registry could not be asked: never to be read as 'registered' or 'absent'."""
