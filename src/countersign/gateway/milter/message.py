"""A message that an MTA shows us: what we keep of it is bounded, its body is not kept."""

from __future__ import annotations

from countersign.gateway.submission.passing import Sender
from countersign.mail.dkim.body import BodyHasher
from countersign.mail.lines import LineChecker
from countersign.mail.submitted import MAX_FIELDS, TOO_MANY_FIELDS, has_space_before_colon
from countersign.mail.trace import split_fields
from countersign.protocol.data import ContentFault
from countersign.protocol.milter.events import HeaderField
from countersign.protocol.reply import Reply, reply

_HEADER_TOO_BIG = reply(552, "5.3.4", "The header section is too big")
_TOO_MANY_FIELDS = reply(550, "5.6.0", TOO_MANY_FIELDS)
_SPACE = reply(550, "5.6.0", "A header field has a space before its colon")
_BROKEN_FIELD = reply(550, "5.6.0", "A header field is broken")


class MilterMessage:
    """From MAIL to the end of the message."""

    def __init__(self, sender: Sender, *, max_size: int, max_header: int) -> None:
        """``max_size``, ``max_header``: octets of the message and of its header section."""
        self.sender = sender
        self.recipients = 0
        self.refusal: Reply | None = None
        """Set once nothing can be passed on any more."""
        self.fields: list[HeaderField] = []
        self.header_size = 0
        self.size = 0
        self._max_size = max_size
        self._max_header = max_header
        self._body = BodyHasher()
        self._lines = LineChecker()

    @property
    def body_hash(self) -> bytes:
        """SHA-256 of the body in relaxed form (RFC 6376 §3.4.4)."""
        return self._body.digest()

    def refuse(self, refusal: Reply) -> None:
        """Let the message not pass; what was kept of it is forgotten."""
        self.refusal = self.refusal or refusal
        self.fields.clear()

    def add_field(self, field: HeaderField) -> None:
        """Take a header field."""
        self.size += len(field.octets)
        self.header_size += len(field.octets)
        if self.refusal is not None:
            return
        if self.header_size > self._max_header:
            self.refuse(_HEADER_TOO_BIG)
            return
        if len(self.fields) >= MAX_FIELDS:
            self.refuse(_TOO_MANY_FIELDS)
            return
        lines = LineChecker()
        lines.feed(field.octets)
        if lines.fault is not None:
            self._refuse_fault(lines.fault)
        elif not _is_one_field(field.octets):
            self.refuse(_BROKEN_FIELD)
        elif has_space_before_colon(field.octets):
            # MTAs take it out before they ask us. Where one did not, it would be signed.
            self.refuse(_SPACE)
        else:
            self.fields.append(field)

    def add_body(self, octets: bytes) -> None:
        """Take a piece of the body."""
        self.size += len(octets)
        if self.refusal is not None:
            return
        self._lines.feed(octets)
        fault = ContentFault.TOO_BIG if self.size > self._max_size else self._lines.fault
        if fault is not None:
            self._refuse_fault(fault)
        else:
            self._body.feed(octets)

    def finish(self) -> None:
        """Note that the message is complete."""
        self._lines.finish()
        if self._lines.fault is not None:
            self._refuse_fault(self._lines.fault)

    def _refuse_fault(self, fault: ContentFault) -> None:
        code = (552, "5.3.4") if fault is ContentFault.TOO_BIG else (550, "5.6.0")
        self.refuse(reply(*code, fault.value))


def _is_one_field(octets: bytes) -> bool:
    # Otherwise part of it could be taken for a field of its own, or for the one before.
    return octets[:1] not in (b" ", b"\t") and len(split_fields(octets)) == 1


def removals(fields: list[HeaderField], kept: tuple[bytes, ...]) -> list[tuple[bytes, int]]:
    """Return (name, occurrence) of the fields that are not among those kept, the last first.

    In this order each can be removed without a change to the others' numbers. ``kept``: in the
    order of ``fields``.
    """
    found = []
    counts: dict[bytes, int] = {}
    position = 0
    for field in fields:
        name = field.name.strip().lower()
        counts[name] = counts.get(name, 0) + 1
        if position < len(kept) and kept[position] == field.octets:
            position += 1
        else:
            found.append((field.name, counts[name]))
    return found[::-1]
