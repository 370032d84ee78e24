"""Replies of SMTP and LMTP: code, enhanced status code, lines (RFC 5321 §4.2, RFC 2034)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_REPLY_LINE = 2048
"""Octets. RFC 5321 §4.5.3.1.5 says 512; real servers write more."""
MAX_REPLY_LINES = 200

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\Z")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z)")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\U0010ffff]")


class ReplySyntaxError(ValueError):
    """The peer sent what is no reply; nothing after it can be trusted."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, of one line or several."""

    code: int
    lines: tuple[str, ...]
    """Texts without codes; the enhanced status code is not part of them."""
    enhanced: str = ""
    """Such as ``5.7.1``, or empty."""

    @property
    def is_positive(self) -> bool:
        """2yz: done."""
        return 200 <= self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """3yz: go on."""
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """4yz: try again later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: do not try again."""
        return self.code >= 500

    @property
    def text(self) -> str:
        """All lines in one."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)

    def encode(self) -> bytes:
        """Return the octets on the wire; control characters in texts become '?'."""
        mark = f"{self.enhanced} " if self.enhanced else ""
        lines = self.lines or ("",)
        last = len(lines) - 1
        return "".join(
            f"{self.code}{' ' if index == last else '-'}{mark}{_UNPRINTABLE.sub('?', line)}\r\n"
            for index, line in enumerate(lines)
        ).encode("utf-8", "replace")


def reply(code: int, enhanced: str, *lines: str) -> Reply:
    """Make a reply; shorter to read than the dataclass where replies are written by hand."""
    return Reply(code, lines, enhanced)


class ReplyReader:
    """Collects the lines of replies; bounded, and strict about line endings.

    A bare LF ends a line too, as many servers' replies are written by hand; what follows a
    reply in the same buffer stays there until asked for.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._code = 0

    def feed(self, data: bytes) -> None:
        """Add octets received. Raises :class:`ReplySyntaxError` when too much is waiting."""
        self._buffer += data
        if len(self._buffer) > MAX_REPLY_LINE * MAX_REPLY_LINES:
            raise ReplySyntaxError("too much data before a reply was asked for")

    def discard(self) -> int:
        """Forget everything buffered, as STARTTLS demands; return how many octets."""
        count = len(self._buffer)
        self._buffer.clear()
        self._lines.clear()
        return count

    def next_reply(self) -> Reply | None:
        """Return the next whole reply, or None. Raises :class:`ReplySyntaxError`."""
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            if self._add_line(line):
                return self._finish()
        if len(self._buffer) > MAX_REPLY_LINE:
            raise ReplySyntaxError("a reply line is too long")
        return None

    def _add_line(self, line: bytes) -> bool:
        match = _LINE.match(line)
        if match is None or len(line) > MAX_REPLY_LINE:
            raise ReplySyntaxError("the peer sent a line that is no reply")
        code = int(match[1])
        if self._lines and code != self._code:
            raise ReplySyntaxError("the lines of one reply have different codes")
        if len(self._lines) >= MAX_REPLY_LINES:
            raise ReplySyntaxError("a reply has too many lines")
        self._code = code
        self._lines.append((match[3] or b"").decode("utf-8", "replace"))
        return match[2] != b"-"

    def _finish(self) -> Reply:
        lines, self._lines = self._lines, []
        match = _ENHANCED.match(lines[0])
        if match is None or match[1][0] != str(self._code)[0]:
            return Reply(self._code, tuple(lines))
        mark = match[1]
        texts = (line.removeprefix(mark).removeprefix(" ") for line in lines)
        return Reply(self._code, tuple(texts), mark)
