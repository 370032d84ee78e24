"""What a private DNS server of the tests is to do, before it is written for one program."""

from __future__ import annotations

from dataclasses import dataclass

from countersign.registry.transfer.keys import TsigKey
from tests.peers import dns_questions


@dataclass(frozen=True)
class Peer:
    """Another server: one to transfer from, or one to send NOTIFY to."""

    endpoint: str
    """ADDRESS:PORT or [IPV6]:PORT."""
    key: TsigKey | None = None

    @property
    def address(self) -> str:
        return dns_questions.split(self.endpoint)[0]

    @property
    def port(self) -> int:
        return dns_questions.split(self.endpoint)[1]


@dataclass(frozen=True)
class Settings:
    """What an instance does; the same for every program, as far as the program can."""

    zones: tuple[str, ...]
    primaries: tuple[Peer, ...] = ()
    """Whom it transfers from and takes NOTIFY of; none: it is primary, from a zone file."""
    transfer_keys: tuple[TsigKey, ...] = ()
    """Who may transfer onward; none: nobody."""
    notify: tuple[Peer, ...] = ()
    sign: bool = False

    @property
    def keys(self) -> dict[str, TsigKey]:
        """All keys by name."""
        peers = (*self.primaries, *self.notify)
        named = [peer.key for peer in peers if peer.key is not None]
        return {key.name: key for key in (*named, *self.transfer_keys)}
