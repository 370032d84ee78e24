"""Packets of the milter protocol on the wire: bounded, and split without guessing."""

from __future__ import annotations

from dataclasses import dataclass

from countersign.protocol.milter.codes import Answer, Command

MAX_PACKET = 256 * 1024
"""Octets of a packet. MTAs send a body in pieces of 64 KiB, and cut header fields at 100 KiB."""
_LENGTH_OCTETS = 4


class MilterSyntaxError(ValueError):
    """The MTA sent what the protocol does not allow; nothing after it can be trusted."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of the MTA."""

    command: Command
    data: bytes


class PacketReader:
    """Collects octets and gives whole packets. Holds one packet and what came with it."""

    def __init__(self, max_packet: int = MAX_PACKET) -> None:
        """``max_packet``: octets of the longest packet that is taken."""
        self._buffer = bytearray()
        self._max_packet = max_packet

    def feed(self, octets: bytes) -> None:
        """Add octets received."""
        self._buffer += octets

    def next_packet(self) -> Packet | None:
        """Return the next whole packet, or None. Raises :class:`MilterSyntaxError`."""
        if len(self._buffer) < _LENGTH_OCTETS:
            return None
        length = int.from_bytes(self._buffer[:_LENGTH_OCTETS])
        if not 0 < length <= self._max_packet:
            raise MilterSyntaxError(f"a packet of {length} octets")
        end = _LENGTH_OCTETS + length
        if len(self._buffer) < end:
            return None
        letter = self._buffer[_LENGTH_OCTETS]
        data = bytes(memoryview(self._buffer)[_LENGTH_OCTETS + 1 : end])
        del self._buffer[:end]
        try:
            return Packet(Command(chr(letter)), data)
        except ValueError:
            raise MilterSyntaxError(f"an unknown command, {letter:#04x}") from None


def encode_packet(letter: Answer | Command, data: bytes = b"") -> bytes:
    """Return a packet as octets."""
    return (len(data) + 1).to_bytes(_LENGTH_OCTETS) + letter.encode("ascii") + data


def split_strings(data: bytes) -> list[bytes]:
    """Split data made of strings that each end with NUL. Raises :class:`MilterSyntaxError`."""
    if not data.endswith(b"\0"):
        raise MilterSyntaxError("a string does not end")
    return data[:-1].split(b"\0")


def read_number(data: bytes, offset: int) -> int:
    """Return an unsigned number of 32 bits. Raises :class:`MilterSyntaxError`."""
    octets = data[offset : offset + 4]
    if len(octets) < 4:
        raise MilterSyntaxError("a number is cut off")
    return int.from_bytes(octets)
