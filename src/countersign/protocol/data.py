"""Message content on the wire: transparency and strict line endings (RFC 5321 §4.5.2, §2.3.8).

Only CRLF ends a line and only CRLF.CRLF ends the content. Whatever else looks like an end
(the forms of SMTP smuggling) is a fault of the message, never an end.
"""

from __future__ import annotations

from enum import StrEnum


class ContentFault(StrEnum):
    """Why content is refused; the value is fit for a reply."""

    BARE_LINE_ENDING = "Bare CR or LF in the message"
    NUL = "NUL in the message"
    LINE_TOO_LONG = "A line of the message is too long"
    TOO_BIG = "The message is too big"


class ContentReader:
    """Finds the end of content, removes dot-stuffing, and checks lines as they pass.

    Memory is bounded by one line: all whole lines are handed on at once. After a fault
    nothing more is handed on, but the true end is still looked for.
    """

    def __init__(self, *, max_line: int, max_size: int) -> None:
        """``max_line``: octets without CRLF; ``max_size``: octets in the whole content."""
        self._max_line = max_line
        self._max_size = max_size
        self._tail = b""
        self._overlong = False
        self.size = 0
        self.fault: ContentFault | None = None
        self.finished = False
        self.leftover = b""
        """What came after the end: the next commands."""

    def feed(self, data: bytes) -> bytes:
        """Add octets received; return content with whole lines, stuffing removed."""
        buffer = self._tail + data if self._tail else data
        block, buffer = self._split(buffer)
        if not self.finished:
            self._keep_tail(buffer)
        self.size += len(block)
        if self.fault is None:
            self.fault = self._fault_of(block)
        return b"" if self.fault is not None else _unstuff(block)

    def _split(self, buffer: bytes) -> tuple[bytes, bytes]:
        """Return (whole lines, rest), and note the end if it is there."""
        # An over-long line's kept tail is not at a line's start, so only CRLF.CRLF can end it.
        if not self._overlong and buffer.startswith(b".\r\n"):
            self.finished, self.leftover = True, buffer[3:]
            return b"", b""
        end = buffer.find(b"\r\n.\r\n")
        if end >= 0:
            self.finished, self.leftover = True, buffer[end + 5 :]
            return buffer[: end + 2], b""
        cut = buffer.rfind(b"\r\n") + 2
        if cut < 2:
            return b"", buffer
        self._overlong = False
        return buffer[:cut], buffer[cut:]

    def _keep_tail(self, buffer: bytes) -> None:
        if len(buffer) > self._max_line + 2:
            self.fault = self.fault or ContentFault.LINE_TOO_LONG
            self._overlong = True
            self.size += len(buffer) - 1
            buffer = buffer[-1:]
        self._tail = buffer

    def _fault_of(self, block: bytes) -> ContentFault | None:
        if self.size > self._max_size:
            return ContentFault.TOO_BIG
        ends = block.count(b"\r\n")
        if block.count(b"\n") != ends or block.count(b"\r") != ends:
            return ContentFault.BARE_LINE_ENDING
        if b"\0" in block:
            return ContentFault.NUL
        return ContentFault.LINE_TOO_LONG if _has_long_line(block, self._max_line) else None


def _has_long_line(block: bytes, max_line: int) -> bool:
    # Jumps from the last line end within reach to the next: a look per kilobyte, not per line.
    start, size = 0, len(block)
    while size - start > max_line + 2:
        end = block.rfind(b"\n", start, start + max_line + 2)
        if end < 0:
            return True
        start = end + 1
    return False


def _unstuff(block: bytes) -> bytes:
    if block.startswith(b"."):
        block = block[1:]
    return block.replace(b"\r\n.", b"\r\n") if b"\r\n." in block else block


class ContentWriter:
    """Adds dot-stuffing to content that is sent in pieces, and ends it."""

    def __init__(self) -> None:
        self._last = b"\r\n"

    def write(self, content: bytes) -> bytes:
        """Return the octets to send for a piece of content whose lines end with CRLF."""
        if not content:
            return b""
        # The end of the piece before decides whether a dot here stands at a line's start.
        joined = self._last + content
        stuffed = joined.replace(b"\r\n.", b"\r\n..") if b"\r\n." in joined else joined
        start = len(self._last)
        self._last = joined[-2:]
        return stuffed[start:]

    def end(self) -> bytes:
        """Return the octets that end the content."""
        return b".\r\n" if self._last == b"\r\n" else b"\r\n.\r\n"
