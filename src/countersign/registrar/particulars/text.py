"""Text that people type: cleaned, without characters that deceive or break."""

from __future__ import annotations

import re
import unicodedata

MAX_RAW = 2000
"""Characters of one value before it is cleaned; no field is longer."""

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that names in Persian and in Indic scripts are written with."""
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BROKEN = frozenset({"Cc", "Cs"})
_SPACES = re.compile(r"[\t\n\r\u00a0 \u2002-\u200a\u202f\u205f\u3000]+")


def clean_text(text: str) -> str:
    """Return text in Unicode NFC, its runs of white space made one space, none at the ends.

    Raises :class:`ValueError` for text that is far too long and for control characters, invisible
    characters (those that turn the direction of writing among them) and unassigned ones.
    """
    if len(text) > MAX_RAW:
        raise ValueError("Make this shorter.")
    cleaned = unicodedata.normalize("NFC", _SPACES.sub(" ", text).strip(" "))
    for character in cleaned:
        if unicodedata.category(character) in _REFUSED and character not in _JOINERS:
            raise ValueError("Remove the invisible or control characters, or type the text anew.")
    return cleaned


def fold(text: str) -> str:
    """Return text without accents and case, for comparing and for searching by prefix."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def printable(text: str) -> str:
    """Return text without what no page and no file can hold: control characters, surrogates."""
    return "".join(char for char in text[:MAX_RAW] if unicodedata.category(char) not in _BROKEN)
