"""The typefaces of the documents, and which characters they can print."""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fpdf import FPDF
from fpdf.fonts import TTFFont

FAMILY = "DejaVu"
REPLACEMENT = "\ufffd"
_DIRECTORY = Path(__file__).parent / "fonts"
_REGULAR, _BOLD, _EAST_ASIAN = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DroidSansFallback.ttf"
_EAST_ASIAN_FAMILY = "Droid"
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_FIRST_RIGHT_TO_LEFT = "\u0590"
"""Below it nothing is written from right to left."""

# It tells of every table of a font that a subset leaves out: nothing that anybody must know.
logging.getLogger("fontTools.subset").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Needs:
    """What it takes to print certain texts."""

    east_asian: bool
    shaping: bool
    """Some of it is written from right to left, or in joined letters."""


def printable(text: str) -> str:
    """Return the text with � for every character that no typeface here has; line ends stay."""
    if text.isascii():
        return text
    main, east_asian = _characters(_REGULAR) & _characters(_BOLD), _characters(_EAST_ASIAN)
    return "".join(
        character
        if character == "\n" or ord(character) in main or ord(character) in east_asian
        else REPLACEMENT
        for character in text
    )


def needs_of(text: str) -> Needs:
    """Return what it takes to print a text."""
    if text.isascii():
        return Needs(False, False)
    main = _characters(_REGULAR) & _characters(_BOLD)
    return Needs(
        any(ord(character) not in main for character in text if character != "\n"),
        any(
            unicodedata.bidirectional(character) in _RIGHT_TO_LEFT
            for character in text
            if character >= _FIRST_RIGHT_TO_LEFT
        ),
    )


def load(pdf: FPDF, needs: Needs) -> None:
    """Make the typefaces known to a document; those that are not needed cost nothing."""
    pdf.add_font(FAMILY, "", _DIRECTORY / _REGULAR)
    pdf.add_font(FAMILY, "B", _DIRECTORY / _BOLD)
    if needs.east_asian:
        pdf.add_font(_EAST_ASIAN_FAMILY, "", _DIRECTORY / _EAST_ASIAN)
        # It has no bold: the regular one serves for both.
        pdf.set_fallback_fonts([_EAST_ASIAN_FAMILY], exact_match=False)
    if needs.shaping:
        pdf.set_text_shaping(True)


@lru_cache(maxsize=3)
def _characters(name: str) -> frozenset[int]:
    # Asked of fpdf2 itself, which decides by the same table what it can print.
    pdf = FPDF()
    pdf.add_font("probe", "", _DIRECTORY / name)
    font = pdf.fonts["probe"]
    return frozenset(font.cmap) if isinstance(font, TTFFont) else frozenset()
