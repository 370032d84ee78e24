"""Text from outside, made fit to stand in a document."""

from __future__ import annotations

import unicodedata

# Persian and Indic names need them; all other invisible characters can make a text read
# differently from what it says (overrides of direction, soft hyphens, zero-width spaces).
_JOINERS = "\u200c\u200d"
_UNFIT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def tidy_line(text: str) -> str:
    """Return text as one line: NFC, single spaces, line ends as commas, nothing invisible."""
    lines = (_tidy(line) for line in text.splitlines())
    return ", ".join(line.rstrip(",") for line in lines if line)


def tidy_lines(text: str) -> list[str]:
    """Return the lines of a text that are not empty, each tidied."""
    return [line for line in map(_tidy, text.splitlines()) if line]


def _tidy(line: str) -> str:
    visible = (
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", line)
        if character.isspace()
        or character in _JOINERS
        or unicodedata.category(character) not in _UNFIT
    )
    return " ".join("".join(visible).split())
