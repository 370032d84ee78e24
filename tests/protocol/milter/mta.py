"""An MTA's side of the milter protocol, written for the tests alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from countersign.protocol.milter.events import Event
from countersign.protocol.milter.server import MilterDialogue

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF
LEADING_SPACE = 0x100000


def packet(letter: str, data: bytes = b"") -> bytes:
    return struct.pack("!I", len(data) + 1) + letter.encode() + data


def offer(version: int = 6, actions: int = ALL_ACTIONS, steps: int = ALL_STEPS) -> bytes:
    return packet("O", struct.pack("!III", version, actions, steps))


def macros(letter: str, **values: str) -> bytes:
    pairs = b"".join(
        f"{{{name}}}".encode() + b"\0" + value.encode() + b"\0" for name, value in values.items()
    )
    return packet("D", letter.encode() + pairs)


def connect(address: str = "192.0.2.1") -> bytes:
    return packet("C", b"client.example\x004" + struct.pack("!H", 1234) + address.encode() + b"\0")


def header(name: bytes, value: bytes) -> bytes:
    return packet("L", name + b"\0" + value + b"\0")


MAIL = packet("M", b"<a@b.example>\0SIZE=100\0")
RCPT = packet("R", b"<c@d.example>\0")
DATA = packet("T")
END_OF_HEADER = packet("N")
END = packet("E")
ABORT = packet("A")
QUIT = packet("Q")
QUIT_NEW = packet("K")
HELO = packet("H", b"client.example\0")


def split(octets: bytes) -> list[tuple[str, bytes]]:
    """The filter's packets."""
    found = []
    while octets:
        (length,) = struct.unpack_from("!I", octets)
        assert 0 < length <= len(octets) - 4, "a packet is cut off"
        found.append((chr(octets[4]), octets[5 : 4 + length]))
        octets = octets[4 + length :]
    return found


@dataclass
class Filter:
    """A dialogue of ours with a list of the events that it gave."""

    dialogue: MilterDialogue = field(default_factory=lambda: MilterDialogue({}))
    events: list[Event] = field(default_factory=list)

    def feed(self, *packets: bytes) -> list[tuple[str, bytes]]:
        """Take packets up to the first event that waits; return the answers so far."""
        self.dialogue.receive(b"".join(packets))
        while (event := self.dialogue.next_event()) is not None:
            self.events.append(event)
        return split(self.dialogue.octets_to_send())
