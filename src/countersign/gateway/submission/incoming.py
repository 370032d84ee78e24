"""The content of a message as it comes in: the header section in memory, the body in a spool."""

from __future__ import annotations

from countersign.gateway.submission.spool import Spool
from countersign.mail.dkim.body import BodyHasher


class HeaderTooBigError(ValueError):
    """The header section is longer than the limit."""


class Incoming:
    """One message's content, taken in pieces; bounded in memory."""

    def __init__(self, spool: Spool, *, max_header: int) -> None:
        """``max_header``: octets of the header section."""
        self.body = spool
        self.header = b""
        """Whole lines, without the empty line; complete after :meth:`finish`."""
        self._held = bytearray()
        self._counted = 0
        self._in_body = False
        self._max_header = max_header
        self._hasher = BodyHasher()

    @property
    def body_hash(self) -> bytes:
        """SHA-256 of the body in relaxed form (RFC 6376 §3.4.4)."""
        return self._hasher.digest()

    async def feed(self, content: bytes) -> None:
        """Take whole lines.

        Raises :class:`HeaderTooBigError` and
        :class:`~countersign.gateway.submission.spool.SpoolFullError`.
        """
        if not self._in_body:
            content = self._feed_header(content)
        if content:
            self._hasher.feed(content)
            await self.body.write(content)

    def finish(self) -> None:
        """Note that there is no more: a message may lack the empty line and the body."""
        if not self._in_body:
            self._begin_body(len(self._held))

    def close(self) -> None:
        """Release the spool."""
        self.body.close()

    def _feed_header(self, content: bytes) -> bytes:
        """Keep header lines; return what belongs to the body."""
        searched_to = max(0, len(self._held) - 3)
        self._held += content
        if self._held.startswith(b"\r\n"):
            return self._begin_body(0)
        end = self._held.find(b"\r\n\r\n", searched_to)
        header_size = end + 2 if end >= 0 else len(self._held)
        if header_size > self._max_header:
            raise HeaderTooBigError("The header section is too big")
        self.body.keep(header_size - self._counted)
        self._counted = header_size
        return self._begin_body(header_size) if end >= 0 else b""

    def _begin_body(self, header_size: int) -> bytes:
        self._in_body = True
        self.header = bytes(self._held[:header_size])
        rest = bytes(self._held[header_size + 2 :])
        self._held.clear()
        return rest
