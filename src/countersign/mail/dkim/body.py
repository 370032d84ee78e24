"""The relaxed form of a message's body, and its digest, while it passes (RFC 6376 §3.4.4)."""

from __future__ import annotations

import hashlib
import re

_PIECE = 64 * 1024
"""Octets worked on at a time: what bounds the memory, whatever the caller feeds."""
_EMPTY_LINES = b"\r\n" * 4096
_SPACES = re.compile(rb"  +")


class BodyHasher:
    """Makes the SHA-256 digest of a body in relaxed form, in bounded memory.

    A body that does not end its last line is hashed as if it did, since no other way leads
    through SMTP. A bare CR or LF is an octet like any other.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._held = b""
        # Ends of lines after which nothing has come yet: they count only if something does.
        self._line_ends = 0
        self._is_empty = True

    def feed(self, content: bytes) -> None:
        """Take the next octets of the body, in pieces of any size."""
        if len(content) <= _PIECE:
            self._take(content)
            return
        view = memoryview(content)
        for start in range(0, len(content), _PIECE):
            self._take(bytes(view[start : start + _PIECE]))

    def digest(self) -> bytes:
        """Return the digest. More can be fed afterwards, as if it had not been asked for."""
        final = self._digest.copy()
        rest = self._held.rstrip(b" ")
        if rest:
            _update_line_ends(final, self._line_ends)
            final.update(rest)
        if rest or not self._is_empty:
            final.update(b"\r\n")
        return final.digest()

    def _take(self, content: bytes) -> None:
        text = _SPACES.sub(b" ", (self._held + content).replace(b"\t", b" "))
        text = text.replace(b" \r\n", b"\r\n")
        # What the next octets may make disappear, or complete: " ", "\r" or " \r".
        kept = text.removesuffix(b"\r").removesuffix(b" ")
        self._held = text[len(kept) :]
        stripped = kept.rstrip(b"\r\n")
        ends = kept[len(stripped) :].replace(b"\r\n", b"\0")
        bare = ends.rstrip(b"\0").replace(b"\0", b"\r\n")
        line_ends = len(ends) - len(ends.rstrip(b"\0"))
        if stripped or bare:
            _update_line_ends(self._digest, self._line_ends)
            self._digest.update(stripped)
            self._digest.update(bare)
            self._line_ends = 0
            self._is_empty = False
        self._line_ends += line_ends


def _update_line_ends(digest: hashlib._Hash, count: int) -> None:
    while count > 0:
        digest.update(_EMPTY_LINES[: 2 * count])
        count -= len(_EMPTY_LINES) // 2
