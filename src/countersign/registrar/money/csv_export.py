"""CSV files for spreadsheets (RFC 4180), streamed, and safe to open.

A cell that begins like a formula would be run by the spreadsheet of whoever opens the file
("CSV injection"): such text gets an apostrophe in front. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

Cell = str | int | Decimal | bool | datetime.date | datetime.datetime | None

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"
_CHUNK = 32 * 1024
# The full-width forms are read as formulas by spreadsheets in East Asian settings.
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def stream_csv(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], *, byte_order_mark: bool = False
) -> Iterator[bytes]:
    """Yield a CSV file in pieces of about 32 KB, UTF-8, lines ended by CR LF.

    byte_order_mark: Excel takes a file for UTF-8 only with it. Dates are written as ISO 8601,
    truth as ``true`` and ``false``, None as an empty cell. Raises :class:`ValueError` on a row
    that has not as many cells as the header.
    """
    buffer = io.StringIO()
    if byte_order_mark:
        buffer.write("\ufeff")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([guard(name) for name in header])
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells, the header {len(header)}")
        writer.writerow([_written(cell) for cell in row])
        if buffer.tell() >= _CHUNK:
            yield _taken(buffer)
    yield _taken(buffer)


def guard(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return guard(cell)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    # 'f': a decimal is never written with an exponent.
    return format(cell, "f") if isinstance(cell, Decimal) else str(cell)


def _taken(buffer: io.StringIO) -> bytes:
    octets = buffer.getvalue().encode("utf-8", "replace")
    buffer.seek(0)
    buffer.truncate()
    return octets
