"""What `countersign admin trace` is asked for: IDs, stamps, messages."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from countersign.mail.stamp import FIELD_NAME, StampError, parse_stamp
from countersign.mail.stamp_search import find_stamps

MAX_OCTETS = 64 * 1024 * 1024
_ID = re.compile(r"[a-z2-7]{26}", re.IGNORECASE)
_FIELD = re.compile(rf"\s*(?:{FIELD_NAME}\s*:)?\s*(v=.*)", re.IGNORECASE | re.DOTALL)


class NotAskedError(ValueError):
    """An argument in which there is nothing to look for; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An ID to look for, and what its stamp says beside it."""

    id: str
    host: str = ""
    """Empty: not known."""
    at: float | None = None
    """The stamp's time, Unix seconds."""


def read_argument(text: str) -> list[Asked]:
    """Return the IDs in an argument: an ID, a stamp, a message's file, or ``-``: standard input.

    Raises :class:`NotAskedError`.
    """
    if _ID.fullmatch(text):
        return [Asked(text.lower())]
    field = _FIELD.fullmatch(text)
    if field is not None:
        return [_from_field(field[1])]
    asked = [
        Asked(stamp.id, stamp.host, stamp.at.timestamp()) for stamp in find_stamps(_content(text))
    ]
    if not asked:
        where = "standard input" if text == "-" else text
        raise NotAskedError(f"{where}: no {FIELD_NAME} field in it")
    return asked


def _from_field(value: str) -> Asked:
    try:
        stamp = parse_stamp(re.sub(r"\r?\n(?=[ \t])", "\r\n", value.strip()))
    except StampError as error:
        raise NotAskedError(f"this is no tracking stamp: {error}") from error
    return Asked(stamp.id, stamp.host, stamp.at.timestamp())


def _content(text: str) -> bytes:
    try:
        if text == "-":
            content = sys.stdin.buffer.read(MAX_OCTETS + 1)
        else:
            with Path(text).open("rb") as file:
                content = file.read(MAX_OCTETS + 1)
    except FileNotFoundError as error:
        raise NotAskedError(
            f"{text}: neither an ID (26 letters and digits 2 to 7), nor a stamp, nor a file"
        ) from error
    except (OSError, ValueError) as error:
        raise NotAskedError(f"{text}: {error}") from error
    if len(content) > MAX_OCTETS:
        raise NotAskedError(f"{text}: larger than {MAX_OCTETS:,} octets")
    return content
