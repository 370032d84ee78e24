"""The record of what was said on the wire, line by line, with the time of each. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from countersign.certification.outcome import (
    MAX_LINE,
    MAX_LINES,
    Direction,
    Line,
    printable,
)

MAX_CHARACTERS = 300_000
"""Of all lines together: a server that floods the tester does not flood our store."""


class Transcript:
    """Collects lines until they are taken; bounded."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds; the first look at it is the time zero."""
        self._clock = clock
        self._begun = clock()
        self._lines: list[Line] = []
        self._characters = 0
        self._parts = {Direction.SENT: bytearray(), Direction.RECEIVED: bytearray()}

    def observe(self, was_sent: bool, octets: bytes) -> None:
        """Add octets of a dialogue; a line is kept when it is complete."""
        direction = Direction.SENT if was_sent else Direction.RECEIVED
        part = self._parts[direction]
        part += octets
        *lines, rest = part.split(b"\n")
        # Of a line without end only the beginning is kept.
        self._parts[direction] = rest[: 4 * MAX_LINE]
        for line in lines:
            self._add(direction, line.removesuffix(b"\r").decode("utf-8", "replace"))

    def note(self, text: str) -> None:
        """Add a remark of the tester's own."""
        self._add(Direction.NOTE, text)

    def take(self) -> tuple[Line, ...]:
        """Return the lines since the last time, and forget them."""
        for direction, part in self._parts.items():
            if part:
                self._add(direction, part.decode("utf-8", "replace"))
                self._parts[direction] = bytearray()
        lines, self._lines = tuple(self._lines), []
        return lines

    def _add(self, direction: Direction, text: str) -> None:
        if len(self._lines) >= MAX_LINES or self._characters >= MAX_CHARACTERS:
            return
        # Cut first: escapes make a text four times longer.
        text = printable(text[:MAX_LINE])[:MAX_LINE]
        self._characters += len(text)
        if len(self._lines) == MAX_LINES - 1 or self._characters >= MAX_CHARACTERS:
            direction, text = Direction.NOTE, "more was said than is recorded"
        at_ms = round((self._clock() - self._begun) * 1000)
        self._lines.append(Line(at_ms, direction, text))
