"""Tables on paper, ruled lightly; a row is not divided between two pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from fpdf.enums import MethodReturnValue, XPos, YPos

from countersign.registrar.documents.sheet import INK, MUTED, Sheet
from countersign.registrar.documents.typeface import printable

LINE = 4.5
_PADDING = 1.1
_GAP = 2.0
_TALLEST = 200.0
"""Height in millimetres of a row that every page has room for."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    share: float
    """Of the table's width; the shares of all columns are 1."""
    align: Literal["L", "R"] = "L"


class Table:
    """Prints rows one under the other, the head anew on every page."""

    def __init__(
        self, sheet: Sheet, columns: Sequence[Column], head: Sequence[str] = (), size: float = 9.0
    ) -> None:
        """Begin a table; its head is printed with the first row. size: in points."""
        self._sheet = sheet
        self._columns = columns
        self._head = head
        self._size = size
        self._page = 0

    def rows(self, rows: Iterable[Sequence[str]], *, bold: bool = False, least: float = 0) -> None:
        """Print rows. least: height in millimetres that each of them has at least."""
        for row in rows:
            self.row(row, bold=bold, least=least)

    def row(self, cells: Sequence[str], *, bold: bool = False, least: float = 0) -> None:
        """Print a row."""
        sheet = self._sheet
        cells = [printable(cell) for cell in cells]
        height = max(self._height(cells, bold=bold), least)
        if height > _TALLEST:
            self._print_over_pages(cells, bold=bold)
            return
        sheet.room(height + (2 * LINE if self._head and not self._page else 0))
        if self._head and self._page != sheet.page_no():
            self._print(self._head, self._height(self._head, bold=True), bold=True, color=MUTED)
        self._page = sheet.page_no()
        self._print(cells, height, bold=bold)

    def _widths(self) -> list[float]:
        return [column.share * self._sheet.epw - _GAP for column in self._columns]

    def _height(self, cells: Sequence[str], *, bold: bool) -> float:
        sheet = self._sheet
        sheet.font(self._size, bold=bold)
        heights = [
            self._height_of(cell, width)
            for width, cell in zip(self._widths(), cells, strict=True)
            if cell
        ]
        return max(heights, default=LINE) + 2 * _PADDING

    def _height_of(self, cell: str, width: float) -> float:
        height = self._sheet.multi_cell(
            width, LINE, cell, align="L", dry_run=True, output=MethodReturnValue.HEIGHT
        )
        return cast(float, height)

    def _print_over_pages(self, cells: Sequence[str], *, bold: bool) -> None:
        """Print the cells of a row that no page can hold one under the other."""
        for cell in cells:
            self._sheet.font(self._size, bold=bold)
            self._sheet.line_of(cell, LINE)
        self._sheet.rule()

    def _print(
        self,
        cells: Sequence[str],
        height: float,
        *,
        bold: bool,
        color: tuple[int, int, int] = INK,
    ) -> None:
        sheet = self._sheet
        sheet.font(self._size, bold=bold, color=color)
        top, left = sheet.get_y(), sheet.l_margin
        for column, cell in zip(self._columns, cells, strict=True):
            width = column.share * sheet.epw
            # The last column ends at the margin, the others leave a gap to the next.
            inset = _GAP if column.align == "R" else 0
            sheet.set_xy(left + inset, top + _PADDING)
            sheet.multi_cell(
                width - _GAP, LINE, cell, align=column.align, new_x=XPos.LMARGIN, new_y=YPos.TOP
            )
            left += width
        sheet.set_y(top + height)
        sheet.rule()
