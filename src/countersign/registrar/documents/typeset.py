"""Sets Markdown on paper: headings, numbered clauses, lists, tables, notes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from fpdf.enums import XPos, YPos
from markdown_it.token import Token

from countersign.registrar.documents.markdown import parse
from countersign.registrar.documents.sheet import ACCENT, INK, Sheet
from countersign.registrar.documents.table import Column, Table
from countersign.registrar.documents.typeface import printable

BODY, LINE = 9.0, 4.5
"""Size in points and line height in millimetres."""
_CLAUSE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})+)\Z")
_CLAUSE_INDENT = 11.0
_LIST_INDENT = 7.0
_FACT_COLUMN = 0.36
_WRITING = 8.5
"""Height in millimetres of a row that is filled in by hand."""
_SHORT = 5
"""Lines of a paragraph that is not divided between two pages."""
_HEADINGS = {"h1": (17.0, 8.0, 0.0), "h2": (11.0, 6.0, 3.5), "h3": (BODY, LINE, 2.0)}
"""Size in points, line height and space above in millimetres."""


class TypesettingError(Exception):
    """The Markdown holds something that is not provided for: it must not silently be left out."""


@dataclass(frozen=True, slots=True)
class _Run:
    text: str
    bold: bool


def typeset(sheet: Sheet, markdown: str) -> None:
    """Print a text. Raises :class:`TypesettingError` on Markdown that is not provided for."""
    _Setter(sheet, parse(markdown)).run()


class _Setter:
    def __init__(self, sheet: Sheet, tokens: Sequence[Token]) -> None:
        self._sheet = sheet
        self._tokens = tokens
        self._place = 0
        self._blocks: dict[str, Callable[[Token], None]] = {
            "heading_open": self._heading,
            "paragraph_open": self._paragraph,
            "ordered_list_open": self._list,
            "bullet_list_open": self._list,
            "table_open": self._table,
            "blockquote_open": self._note,
            "hr": self._separator,
        }

    def run(self, end: str = "") -> None:
        """Set blocks until the token that ends them, or all."""
        while self._place < len(self._tokens):
            token = self._next()
            if token.type == end:
                return
            block = self._blocks.get(token.type)
            if block is None:
                raise TypesettingError(f"no way to print '{token.type}'")
            block(token)

    def _next(self) -> Token:
        token = self._tokens[self._place]
        self._place += 1
        return token

    def _inline(self) -> list[_Run]:
        runs = list(_runs(self._next().children or []))
        self._next()
        return runs

    def _heading(self, token: Token) -> None:
        runs = self._inline()
        size, height, above = _HEADINGS.get(token.tag, _HEADINGS["h3"])
        sheet = self._sheet
        # A heading does not stand alone at the foot of a page.
        sheet.room(above + height + 3 * LINE)
        sheet.set_y(sheet.get_y() + above)
        text = "".join(run.text for run in runs)
        if token.tag == "h2":
            sheet.start_section(text)
        sheet.font(size, bold=True, color=INK if token.tag == "h3" else ACCENT)
        sheet.line_of(text, height)
        sheet.set_y(sheet.get_y() + (3 if token.tag == "h1" else 1))

    def _paragraph(self, _: Token) -> None:
        runs = self._inline()
        number = _CLAUSE.match(runs[0].text) if runs and runs[0].bold else None
        if number is None or len(runs) < 2:
            self._keep_together(runs)
            self._flow(runs)
        else:
            self._marked(
                number[1], [_Run(runs[1].text.lstrip(), runs[1].bold), *runs[2:]], _CLAUSE_INDENT
            )
        self._sheet.set_y(self._sheet.get_y() + 1.6)

    def _marked(self, mark: str, runs: Sequence[_Run], indent: float) -> None:
        """Print a mark in the margin of a paragraph."""
        sheet = self._sheet
        with sheet.indented(indent):
            self._keep_together(runs)
        sheet.set_x(sheet.l_margin)
        sheet.font(BODY, bold=indent == _CLAUSE_INDENT)
        sheet.cell(indent, LINE, mark, new_x=XPos.LEFT, new_y=YPos.TOP)
        with sheet.indented(indent):
            sheet.set_x(sheet.l_margin)
            self._flow(runs)

    def _keep_together(self, runs: Sequence[_Run]) -> None:
        """Begin a new page if a short paragraph, or the begin of a long one, has no room here."""
        sheet = self._sheet
        sheet.font(BODY)
        width = sum(sheet.get_string_width(printable(run.text)) for run in runs)
        lines = math.ceil(1.05 * width / sheet.epw)
        sheet.room(LINE * (lines if lines <= _SHORT else _SHORT // 2))

    def _flow(self, runs: Sequence[_Run]) -> None:
        sheet = self._sheet
        with sheet.text_columns(text_align="L", line_height=1.42) as columns:
            for run in runs:
                sheet.font(BODY, bold=run.bold)
                columns.write(printable(run.text))
        sheet.set_x(sheet.l_margin)

    def _list(self, token: Token) -> None:
        end = token.type.replace("open", "close")
        with self._sheet.indented(_CLAUSE_INDENT if token.level == 0 else 0):
            for number in range(10_000):
                item = self._next()
                if item.type == end:
                    break
                self._item("•" if token.tag == "ul" else f"({_letters(number)})")
        self._sheet.set_y(self._sheet.get_y() + 1)

    def _item(self, mark: str) -> None:
        first = True
        while (token := self._next()).type != "list_item_close":
            if token.type != "paragraph_open":
                with self._sheet.indented(_LIST_INDENT):
                    self._blocks[token.type](token)
                continue
            self._marked(mark if first else "", self._inline(), _LIST_INDENT)
            self._sheet.set_y(self._sheet.get_y() + 0.8)
            first = False

    def _note(self, _: Token) -> None:
        sheet = self._sheet
        top, page = sheet.get_y(), sheet.page_no()
        with sheet.indented(4):
            self.run("blockquote_close")
        if sheet.page_no() == page:
            sheet.set_draw_color(*ACCENT)
            sheet.set_line_width(0.8)
            sheet.line(sheet.l_margin + 1, top, sheet.l_margin + 1, sheet.get_y() - 1.6)
        sheet.set_y(sheet.get_y() + 1)

    def _separator(self, _: Token) -> None:
        self._sheet.rule()
        self._sheet.set_y(self._sheet.get_y() + 3)

    def _table(self, _: Token) -> None:
        rows, has_head = self._rows()
        if not rows:
            return
        width = len(rows[0])
        head = rows.pop(0) if has_head else []
        if not has_head and width == 2:
            columns = [Column(_FACT_COLUMN), Column(1 - _FACT_COLUMN)]
        else:
            columns = [Column(1 / width)] * width
        table = Table(self._sheet, columns, head, BODY)
        for row in rows:
            # An empty cell is there to be written in.
            table.row(row, least=0 if all(row) else _WRITING)
        self._sheet.set_y(self._sheet.get_y() + 3)

    def _rows(self) -> tuple[list[list[str]], bool]:
        rows: list[list[str]] = []
        has_head = False
        while (token := self._next()).type != "table_close":
            if token.type == "thead_open":
                has_head = True
            elif token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                text = "".join(run.text for run in _runs(token.children or []))
                rows[-1].append(printable(text))
        return rows, has_head


def _runs(children: Sequence[Token]) -> Iterator[_Run]:
    """Yield the text of a paragraph in pieces of one weight."""
    pieces: list[_Run] = []
    depth = 0
    for token in children:
        if token.type in ("strong_open", "strong_close"):
            depth += token.nesting
        elif token.type in ("text", "code_inline", "text_special"):
            if token.content:
                pieces.append(_Run(token.content, depth > 0))
        elif token.type in ("softbreak", "hardbreak"):
            pieces.append(_Run(" ", depth > 0))
        else:
            raise TypesettingError(f"no way to print '{token.type}'")
    for bold, group in groupby(pieces, key=lambda piece: piece.bold):
        yield _Run("".join(piece.text for piece in group), bold)


def _letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
