"""Serial numbers of a zone (RFC 1982): 32 bits, compared around the circle."""

from __future__ import annotations

_MODULUS = 1 << 32
_HALF = 1 << 31


def is_newer(serial: int, than: int) -> bool:
    """Tell whether one serial is later than another; of two half a circle apart, neither is."""
    return 0 < (serial - than) % _MODULUS < _HALF


def next_serial(serial: int, now: float) -> int:
    """Return the serial that follows.

    now: Unix seconds. The serial keeps up with the clock where it can: a registrar that was
    restored from an old copy of its database then goes on above all that it has ever published,
    and its secondaries need nobody's help.
    """
    clock = int(now) % _MODULUS
    return clock if is_newer(clock, serial) else (serial + 1) % _MODULUS


def lag(serial: int, behind: int) -> int:
    """Return by how many steps a serial is behind another one; negative: it is ahead."""
    distance = (behind - serial) % _MODULUS
    return distance if distance < _HALF else distance - _MODULUS
