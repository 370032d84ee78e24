"""Finding tracking stamps in whatever an operator was sent: a report, a message, a line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from countersign.mail.stamp import FIELD_NAME, Stamp, StampError, parse_stamp

MAX_STAMPS = 1_000

_FIELD = re.compile(
    rb"^(?P<quoted>[> \t]{0,100})" + FIELD_NAME.encode() + rb"[ \t]*:(?P<value>[^\n]{0,4096}"
    rb"(?:\n(?P=quoted)[ \t][^\n]{0,1000}){0,20})",
    re.IGNORECASE | re.MULTILINE,
)


def find_stamps(text: bytes) -> list[Stamp]:
    """Return the stamps in a text, each once, in their order; :data:`MAX_STAMPS` at most.

    They may stand in a message's header, in a message that is attached, or in lines that were
    quoted (``> ``). What only looks like a stamp is passed over. A stamp that is found proves
    nothing: anybody can write one.
    """
    found: dict[Stamp, None] = {}
    for stamp in _stamps(text):
        found.setdefault(stamp)
        if len(found) >= MAX_STAMPS:
            break
    return list(found)


def _stamps(text: bytes) -> Iterator[Stamp]:
    for match in _FIELD.finditer(text.replace(b"\r\n", b"\n")):
        first, *others = match["value"].split(b"\n")
        lines = [first, *(line[len(match["quoted"]) :] for line in others)]
        value = b"\r\n".join(lines).decode("ascii", "replace")
        try:
            yield parse_stamp(value)
        except StampError:
            continue
