"""How values are written in a letter, and how its lines are broken. Pure."""

from __future__ import annotations

import datetime
import re
import textwrap
from typing import Any

from babel import Locale
from babel.dates import format_date, format_datetime

LOCALE = Locale.parse("en_GB")
WIDTH = 72

# Control characters, and those that turn the direction of text: a value must not be able to
# look like another part of the letter.
_UNWANTED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MANY_BLANK_LINES = re.compile(r"\n{4,}")


def finalised(value: Any) -> Any:
    """Return a value without characters that have no place in a letter."""
    return _UNWANTED.sub(" ", value) if isinstance(value, str) else value


def date(value: datetime.date) -> str:
    """Return a day, or a moment's day in UTC: '3 March 2031'."""
    if isinstance(value, datetime.datetime):
        value = value.astimezone(datetime.UTC).date()
    return format_date(value, "d MMMM y", locale=LOCALE)


def moment(value: datetime.datetime) -> str:
    """Return a moment: '3 March 2031, 14:05 UTC'."""
    when = value.astimezone(datetime.UTC)
    return f"{format_datetime(when, 'd MMMM y, HH:mm', locale=LOCALE)} UTC"


def indented(text: str) -> str:
    """Return a text of several lines so that all stay indented by two."""
    lines = [line.strip() for line in text.splitlines()]
    return "\n  ".join(line for line in lines if line)


def subject_of(text: str) -> str:
    """Return a subject as one line."""
    return " ".join(text.split())


def broken(text: str) -> str:
    """Return a text with its paragraphs broken into lines.

    Indented lines are broken with their indent, and never joined to others. Words, addresses
    of pages above all, stay whole.
    """
    text = _MANY_BLANK_LINES.sub("\n\n\n", text.strip("\n"))
    return "\n".join(_broken_lines(text)) + "\n"


def _broken_lines(text: str) -> list[str]:
    lines: list[str] = []
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip() and not line.startswith(" "):
            paragraph.append(line.strip())
            continue
        lines += _fill(" ".join(paragraph), "") if paragraph else []
        paragraph = []
        indent = line[: len(line) - len(line.lstrip())]
        lines += _fill(line.strip(), indent) if line.strip() else [""]
    return lines[:-1]


def _fill(text: str, indent: str) -> list[str]:
    # A figure behind a label keeps its place: such lines are short.
    if len(indent) + len(text) <= WIDTH:
        return [indent + text]
    hanging = indent + ("  " if text.startswith("- ") else "")
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
