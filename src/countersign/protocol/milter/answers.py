"""Answers to an MTA as packets."""

from __future__ import annotations

from enum import Enum

from countersign.protocol.milter.codes import Answer
from countersign.protocol.milter.packets import encode_packet
from countersign.protocol.reply import Reply

_MAX_TEXT = 900
"""Octets of a reply's line; libmilter takes 980 with all that is before them."""


class Verdict(Enum):
    """Answers in the MTA's own words."""

    CONTINUE = Answer.CONTINUE
    ACCEPT = Answer.ACCEPT
    """The filter wants to see nothing more of the message."""
    REJECT = Answer.REJECT
    TEMPFAIL = Answer.TEMPFAIL


def encode_answer(answer: Verdict | Reply) -> bytes:
    """Return an answer as a packet; a reply's own words reach the client."""
    if isinstance(answer, Verdict):
        return encode_packet(answer.value)
    if not (answer.is_transient or answer.is_permanent):
        raise ValueError("a filter's reply is 4yz or 5yz")
    return encode_packet(Answer.REPLY_CODE, _reply_text(answer) + b"\0")


def encode_field(index: int | None, field: bytes, *, leading_space: bool) -> bytes:
    """Return the packet that inserts a whole header field, or appends it (None)."""
    name, value = _name_and_value(field)
    if not leading_space:
        # The MTA puts one there itself.
        value = value.removeprefix(b" ")
    data = name + b"\0" + value + b"\0"
    if index is None:
        return encode_packet(Answer.ADD_HEADER, data)
    return encode_packet(Answer.INSERT_HEADER, index.to_bytes(4) + data)


def encode_removal(name: bytes, occurrence: int) -> bytes:
    """Return the packet that removes a header field."""
    if occurrence < 1:
        raise ValueError("occurrences are counted from 1")
    return encode_packet(Answer.CHANGE_HEADER, occurrence.to_bytes(4) + name + b"\0\0")


def _name_and_value(field: bytes) -> tuple[bytes, bytes]:
    name, colon, value = field.removesuffix(b"\r\n").partition(b":")
    # MTAs fold at LF alone; an LF that folds nothing would begin a field of its own.
    value = value.replace(b"\r\n", b"\n")
    folded = value.replace(b"\n ", b"").replace(b"\n\t", b"")
    if not colon or not name or b"\0" in field or b"\n" in folded or b"\r" in folded:
        raise ValueError("not one header field")
    return name, value


def _reply_text(answer: Reply) -> bytes:
    mark = f"{answer.enhanced} " if answer.enhanced else ""
    lines = answer.lines or ("",)
    last = len(lines) - 1
    # Sendmail takes the text for a format, and Postfix undoes the doubling.
    texts = (_printable(line)[:_MAX_TEXT].replace("%", "%%") for line in lines)
    return "\r\n".join(
        f"{answer.code}{' ' if index == last else '-'}{mark}{text}"
        for index, text in enumerate(texts)
    ).encode("ascii")


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
