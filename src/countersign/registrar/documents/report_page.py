"""The pieces of which the report of a certification test is set on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from countersign.certification.advice import INDENT
from countersign.registrar.documents.sheet import ACCENT, INK, MUTED, Sheet
from countersign.registrar.documents.table import Column, Table

_GOOD, _BAD = (22, 101, 52), (153, 27, 27)
_SIZE, _LINE = 9.0, 4.5
_SMALL, _SMALL_LINE = 7.5, 3.7
_INDENT = 5.0
_FACT = 0.24
_VERDICT_WIDTH = 0.11
"""Share of the page's width that a perspective's column has."""


class Kind(Enum):
    """How a block is set."""

    HEADING = auto()
    TEST = auto()
    PROSE = auto()
    LABELLED = auto()
    """A label, and text in which indented lines are settings."""
    WIRE = auto()
    """A line of a dialogue."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the report."""

    kind: Kind
    text: str
    body: str = ""

    @property
    def texts(self) -> tuple[str, str]:
        """All that will be printed."""
        return self.text, self.body


class ReportPage:
    """Prints blocks one under the other."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet

    def title(self, title: str, host: str) -> None:
        """Print the title, and whom it is about."""
        sheet = self._sheet
        sheet.font(17, bold=True, color=ACCENT)
        sheet.line_of(title, 8)
        sheet.font(11)
        sheet.line_of(host, 6)
        self._space(2)

    def verdict(self, words: str, *, is_good: bool) -> None:
        """Print what it all came to."""
        self._sheet.font(13, bold=True, color=_GOOD if is_good else _BAD)
        self._sheet.line_of(words, 7)
        self._space(2)

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Print names and values."""
        Table(self._sheet, [Column(_FACT), Column(1 - _FACT)], (), _SIZE).rows(facts)
        self._space(2)

    def heading(self, text: str) -> None:
        """Print a heading, which does not stand alone at the foot of a page."""
        sheet = self._sheet
        sheet.room(30)
        self._space(4)
        sheet.start_section(text)
        sheet.font(11, bold=True, color=ACCENT)
        sheet.line_of(text, 6)
        self._space(1)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print a table; the first row is its head, the first column the widest."""
        head, *others = rows
        width = _VERDICT_WIDTH if len(head) > 2 else 2 * _VERDICT_WIDTH
        columns = [Column(1 - width * (len(head) - 1)), *(Column(width) for _ in head[1:])]
        Table(self._sheet, columns, head, 8).rows(others)
        self._space(3)

    def block(self, block: Block) -> None:
        """Print a block."""
        match block.kind:
            case Kind.HEADING:
                self.heading(block.text)
            case Kind.TEST:
                self._test(block.text)
            case Kind.PROSE:
                self._sheet.font(_SIZE)
                self._sheet.line_of(block.text, _LINE)
                self._space(0.8)
            case Kind.LABELLED:
                self._labelled(block.text, block.body)
            case Kind.WIRE:
                self._small(block.text, color=MUTED)

    def _test(self, text: str) -> None:
        self._sheet.room(20)
        self._space(2.5)
        self._sheet.font(_SIZE, bold=True)
        self._sheet.line_of(text, _LINE)
        self._space(0.5)

    def _labelled(self, label: str, body: str) -> None:
        sheet = self._sheet
        sheet.room(3 * _LINE)
        self._space(1)
        sheet.font(8, bold=True, color=MUTED)
        sheet.line_of(label, 4)
        for line in body.splitlines():
            if line.startswith(INDENT):
                # Deeper indentation continues the line above, and must be seen.
                deeper = len(line) - len(line.lstrip()) - len(INDENT)
                self._small("\u00a0" * deeper + line.strip(), color=INK)
            else:
                sheet.font(_SIZE)
                sheet.line_of(line, _LINE)
        self._space(0.8)

    def _small(self, text: str, *, color: tuple[int, int, int]) -> None:
        with self._sheet.indented(_INDENT):
            self._sheet.set_x(self._sheet.l_margin)
            self._sheet.font(_SMALL, color=color)
            self._sheet.line_of(text, _SMALL_LINE)

    def _space(self, height: float) -> None:
        self._sheet.set_y(self._sheet.get_y() + height)
