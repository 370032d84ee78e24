"""Looks at the lines of a message that passes in pieces (RFC 5321 §2.3.8, §4.5.3.1.6)."""

from __future__ import annotations

from countersign.protocol.data import ContentFault

MAX_LINE = 998
"""Octets without CRLF. MTAs cut longer lines in two, which no signature survives."""


class LineChecker:
    """Finds what would not survive the way to the receiver. Holds one octet."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        """``max_line``: octets of a line without its CRLF."""
        self._max_line = max_line
        self._line = 0
        self._held = b""
        self.fault: ContentFault | None = None

    def feed(self, piece: bytes) -> None:
        """Look at more octets."""
        if self.fault is not None:
            return
        block = self._held + piece
        # Whether a CR is bare, the next octet tells.
        self._held = b"\r" if block.endswith(b"\r") else b""
        self.fault = self._fault_of(block[:-1] if self._held else block)

    def finish(self) -> None:
        """Note that nothing more comes."""
        if self._held and self.fault is None:
            self.fault = ContentFault.BARE_LINE_ENDING

    def _fault_of(self, block: bytes) -> ContentFault | None:
        ends = block.count(b"\r\n")
        if block.count(b"\n") != ends or block.count(b"\r") != ends:
            return ContentFault.BARE_LINE_ENDING
        if b"\0" in block:
            return ContentFault.NUL
        return ContentFault.LINE_TOO_LONG if self._has_long_line(block) else None

    def _has_long_line(self, block: bytes) -> bool:
        first = block.find(b"\r\n")
        if first < 0:
            self._line += len(block)
            return self._line > self._max_line
        if self._line + first > self._max_line:
            return True
        last = block.rfind(b"\r\n") + 2
        self._line = len(block) - last
        return self._line > self._max_line or self._has_long_line_between(block, first + 2, last)

    def _has_long_line_between(self, block: bytes, start: int, end: int) -> bool:
        # Jumps from the last line end within reach to the next: a look per kilobyte, not per line.
        while end - start > self._max_line + 2:
            found = block.rfind(b"\n", start, start + self._max_line + 2)
            if found < 0:
                return True
            start = found + 1
        return False
