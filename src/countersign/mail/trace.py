"""The trace fields that a receiver adds: Received and Authentication-Results.

RFC 5321 §4.4, RFC 8601. Nothing here reads clocks: the caller gives the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

_WORD = re.compile(r'[^()"\\]+|\\.?|[()"]', re.DOTALL)
# RFC 8601 §2.2: the name of who says it, and perhaps a version.
_SERVICE = re.compile(r'[ \t]*+(?:"([^"]*+)"|([^ \t";]++))[ \t]*+(?:[0-9]++[ \t]*+)?(?:;|\Z)')
_FIELD_NAME = b"authentication-results"


@dataclass(frozen=True, slots=True)
class Transfer:
    """How a message came in."""

    hello: str
    """Name or address literal that the client gave."""
    client_address: str
    """Empty: the client is not named at all, as users' mail programs are not."""
    receiver: str
    """Our hostname."""
    protocol: str
    """Registered 'with' keyword: SMTP, ESMTP, ESMTPS, UTF8SMTPS … (RFC 3848, RFC 6531)."""
    identifier: str
    """Our name for the transaction, as in the log."""
    at: datetime
    """With a time zone."""
    tls: str = ""
    """Version and cipher, for a comment; empty in clear."""


def received_field(transfer: Transfer) -> bytes:
    """Return a Received field, with CRLF."""
    using = f"(using {transfer.tls})\r\n\t" if transfer.tls else ""
    client = ""
    if transfer.client_address:
        client = f"from {transfer.hello} ({_address_literal(transfer.client_address)})\r\n\t"
    return (
        f"Received: {client}{using}"
        f"by {transfer.receiver} with {transfer.protocol} id {transfer.identifier};\r\n"
        f"\t{format_datetime(transfer.at)}\r\n"
    ).encode("utf-8", "replace")


def authentication_results_field(
    receiver: str, result: str, hello: str, *, is_stale: bool = False
) -> bytes:
    """Return an Authentication-Results field, with CRLF.

    ``result``: ``pass``, or ``none`` for a client of the allow list. The method has no
    registered name yet, hence the ``x-`` (RFC 8601 §2.7.7). ``is_stale``: what the registry said
    of the client came from a copy past its age limit (``policy``: RFC 8601 §2.4).
    """
    policy = " policy.registry=stale" if is_stale else ""
    return (
        f"Authentication-Results: {receiver};\r\n"
        f"\tx-countersign={result} smtp.helo={hello}{policy}\r\n"
    ).encode("utf-8", "replace")


def without_forged_results(header: bytes, receiver: str) -> bytes:
    """Return a header section without Authentication-Results fields that bear our name.

    RFC 8601 §5. ``header``: whole lines ending in CRLF. A field that cannot be parsed and
    names us anywhere counts as forged.
    """
    if _FIELD_NAME not in header.lower():
        return header
    return b"".join(
        field for field in split_fields(header) if not _claims_to_be_from(field, receiver)
    )


def split_fields(header: bytes) -> list[bytes]:
    """Split a header section into fields, each with its folded lines."""
    fields: list[list[bytes]] = []
    for line in header.splitlines(keepends=True):
        if fields and line[:1] in (b" ", b"\t"):
            fields[-1].append(line)
        else:
            fields.append([line])
    return [b"".join(lines) for lines in fields]


def _claims_to_be_from(field: bytes, receiver: str) -> bool:
    name, _, octets = field.partition(b":")
    if name.strip().lower() != _FIELD_NAME:
        return False
    value = octets.decode("utf-8", "replace").replace("\r\n", "").lower()
    ours = receiver.lower()
    # Whatever the rest looks like, without our name in it nobody takes it for ours.
    if ours not in value.replace("\\", ""):
        return False
    text = _without_comments(value)
    service = _SERVICE.match(text) if text is not None else None
    return service is None or (service[1] or service[2] or "").strip().rstrip(".") == ours


def _without_comments(value: str) -> str | None:
    """Return a structured field without comments and escapes; None if they do not add up."""
    kept: list[str] = []
    depth, is_quoted = 0, False
    for word in _WORD.findall(value):
        if not depth:
            if word == '"':
                is_quoted = not is_quoted
            if is_quoted or word not in "()":
                kept.append(word.removeprefix("\\"))
                continue
        if word == "(":
            depth += 1
            kept.append(" ")
        elif word == ")":
            depth -= 1
        if depth < 0:
            return None
    return None if depth or is_quoted else "".join(kept)


def _address_literal(address: str) -> str:
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


class HeaderTooBigError(ValueError):
    """The header section is longer than the limit."""


class HeaderRewriter:
    """Puts trace fields before a message that passes in pieces, and removes forged ones.

    Holds the header section back until it is complete; the body passes at once.
    """

    def __init__(self, added: bytes, receiver: str, *, max_header: int) -> None:
        """Put the fields ``added`` first; hold back ``max_header`` octets at most."""
        self._added = added
        self._receiver = receiver
        self._max_header = max_header
        self._held = bytearray()
        self._in_body = False

    def feed(self, content: bytes) -> bytes:
        """Return what can be passed on. Raises :class:`HeaderTooBigError`."""
        if self._in_body:
            return content
        searched_to = max(0, len(self._held) - 3)
        self._held += content
        if self._held.startswith(b"\r\n"):
            return self._release(0)
        end = self._held.find(b"\r\n\r\n", searched_to)
        if end >= 0:
            return self._release(end + 2)
        if len(self._held) > self._max_header:
            raise HeaderTooBigError("The header section is too big")
        return b""

    def finish(self) -> bytes:
        """Return what is still held: a message without a body."""
        return b"" if self._in_body else self._release(len(self._held))

    def _release(self, header_size: int) -> bytes:
        self._in_body = True
        header = bytes(self._held[:header_size])
        rest = bytes(self._held[header_size:])
        self._held.clear()
        return self._added + without_forged_results(header, self._receiver) + rest
