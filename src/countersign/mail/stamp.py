"""The tracking stamp: what leads a message back to who sent it (DESIGN §5).

``Message-Tracking: v=1; host=<hostname>; id=<serial>; t=<RFC 3339 time>[; user=<name>]``; the
grammar is in docs/SUBMISSION.md. Pure: the caller gives time and randomness.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from countersign.protocol.address import AddressSyntaxError, normalise_hostname

FIELD_NAME = "Message-Tracking"
MAX_VALUE = 4096
"""Characters of a stamp's value that are looked at, folds included."""
MAX_USER = 255
"""Characters of a user's name."""
ID_SOURCE = 16
"""Octets of randomness in an ID: no guess hits one, and no ID tells how many there are."""

_WIDTH = 64
"""Characters of an encoded name in one line."""
_ID = re.compile(r"[a-z2-7]{25}[aeimquy4]")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@+")
_USER = re.compile(r"(?:[ \t]*(?:[A-Za-z0-9._~@+-]|%[0-9A-F]{2}))+")
# Files on a disk end their lines otherwise than mail under way.
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_SPACE = " \t"


class StampError(ValueError):
    """This is no tracking stamp; the text says why, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a tracking stamp says. Raises :class:`StampError` for what none can say."""

    host: str
    """The registered hostname, normalised."""
    id: str
    """As :func:`new_id` makes it."""
    at: datetime
    """With a time zone; the stamp has whole seconds."""
    user: str = ""
    """Empty: not named."""

    def __post_init__(self) -> None:
        try:
            is_normal = normalise_hostname(self.host) == self.host
        except AddressSyntaxError:
            is_normal = False
        if not is_normal:
            raise StampError("host= is no hostname in lower case")
        if not _ID.fullmatch(self.id):
            raise StampError("id= is not 16 octets in base 32, lower case")
        if self.at.tzinfo is None:
            raise StampError("the time has no time zone")
        if len(self.user) > MAX_USER or not self.user.isprintable():
            raise StampError(f"user= is at most {MAX_USER} printable characters")


def new_id(octets: bytes) -> str:
    """Return an ID of 26 characters, made of 16 random octets: base 32 (RFC 4648 §6), lower case.

    Raises :class:`ValueError` for another number of octets.
    """
    if len(octets) != ID_SOURCE:
        raise ValueError(f"an ID is made of {ID_SOURCE} octets")
    return base64.b32encode(octets).decode("ascii").rstrip("=").lower()


def stamp_field(stamp: Stamp) -> bytes:
    """Return the header field, folded, with CRLF."""
    at = stamp.at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    lines = [f"{FIELD_NAME}: v=1; host={stamp.host};", f"\tid={stamp.id}; t={at}Z"]
    if stamp.user:
        lines[-1] += ";"
        first, *others = _encoded_lines(stamp.user)
        lines += [f"\tuser={first}", *(f"\t {line}" for line in others)]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def parse_stamp(value: str) -> Stamp:
    """Read the value of a stamp: what comes after the colon, folded or not.

    Strict: the parts in their order, each once, nothing else. Raises :class:`StampError`.
    """
    if len(value) > MAX_VALUE:
        raise StampError("this is too long for a stamp")
    text = _FOLD.sub("", value.removesuffix("\n").removesuffix("\r"))
    parts = [part.strip(_SPACE) for part in text.split(";", 5)]
    names = ("v", "host", "id", "t", "user")[: max(4, len(parts))]
    if len(parts) != len(names):
        raise StampError("a stamp has v=, host=, id=, t= and perhaps user=, in this order")
    values = [_value_of(name, part) for name, part in zip(names, parts, strict=True)]
    if values[0] != "1":
        raise StampError("this version of stamps is not known")
    user = _decode(values[4]) if len(values) > 4 else ""
    return Stamp(values[1], values[2], _read_time(values[3]), user)


def is_stamp(field: bytes) -> bool:
    """Tell whether a header field passes for a stamp, however oddly its name is written."""
    name, colon, _ = field.partition(b":")
    return bool(colon) and name.strip().lower() == FIELD_NAME.lower().encode("ascii")


def _value_of(name: str, part: str) -> str:
    found, equals, value = part.partition("=")
    if not equals or found != name:
        raise StampError(f"{name}= is missing, or in another place")
    return value


def _read_time(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise StampError("t= is no time such as 2026-11-25T08:00:00Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise StampError("t= is no time that there is") from None


def _encoded_lines(user: str) -> Iterator[str]:
    line = ""
    for octet in user.encode("utf-8"):
        word = chr(octet) if octet in _SAFE else f"%{octet:02X}"
        if len(line) + len(word) > _WIDTH:
            yield line
            line = ""
        line += word
    yield line


def _decode(text: str) -> str:
    if not _USER.fullmatch(text):
        raise StampError("user= has characters that must be percent-encoded")
    joined = text.replace(" ", "").replace("\t", "")
    octets = re.sub(
        rb"%([0-9A-F]{2})", lambda match: bytes((int(match[1], 16),)), joined.encode("ascii")
    )
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise StampError("user= is not in UTF-8") from None
