"""A statement of account: what was paid, held, forfeited and refunded for one server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from babel.dates import format_date

from countersign.registrar.documents.characters import tidy_line
from countersign.registrar.documents.sheet import ACCENT, MUTED, Party, Sheet
from countersign.registrar.documents.table import Column, Table
from countersign.registrar.money.amount import format_number

MAX_ROWS = 5000
_COLUMNS = (Column(0.12), Column(0.4), Column(0.12), Column(0.18, "R"), Column(0.18, "R"))


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One entry of the ledger."""

    day: date
    text: str
    account: str
    """Name of the account as the owner knows it: 'Bond', 'Fee'."""
    amount: int
    """In the minor unit; positive: in the owner's favour."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The ledger of one server over a period."""

    issuer: Party
    to: Party
    hostname: str
    begin: date
    end: date
    """The last day that is covered."""
    currency: str
    opening: int
    """Balance before the first row, in the minor unit."""
    rows: tuple[LedgerRow, ...]
    made_at: datetime
    """Timezone-aware."""
    locale: str = "en_GB"

    @property
    def closing(self) -> int:
        """Balance after the last row."""
        return self.opening + sum(row.amount for row in self.rows)


def statement_pdf(statement: Statement) -> bytes:
    """Return a statement of account as a PDF document.

    Raises :class:`ValueError` if it has too many rows.
    """
    if len(statement.rows) > MAX_ROWS:
        raise ValueError(f"a statement has at most {MAX_ROWS} rows")
    period = f"{_day(statement, statement.begin)} to {_day(statement, statement.end)}"
    hostname = tidy_line(statement.hostname)
    cells = list(_cells(statement))
    sheet = Sheet(
        title=f"Statement of account: {hostname}",
        issuer=statement.issuer,
        made_at=statement.made_at,
        footer=f"Statement of account · {hostname}\n{period}",
        contents="\n".join((*statement.to.lines(), *(cell for row in cells for cell in row))),
    )
    sheet.font(17, bold=True, color=ACCENT)
    sheet.line_of("Statement of account", 8)
    sheet.set_y(sheet.get_y() + 2)
    sheet.font(9.5)
    for line in (hostname, *statement.to.lines()):
        sheet.line_of(line, 5)
    sheet.font(9.5, color=MUTED)
    sheet.line_of(period, 5)
    sheet.set_y(sheet.get_y() + 4)
    currency = statement.currency
    head = ("Date", "Entry", "Account", f"Amount, {currency}", f"Balance, {currency}")
    table = Table(sheet, _COLUMNS, head, 8)
    table.row(("", "Balance at the beginning", "", "", _amount(statement, statement.opening)))
    table.rows(cells)
    table.row(("", "Balance at the end", "", "", _amount(statement, statement.closing)), bold=True)
    return sheet.octets()


def _cells(statement: Statement) -> Iterator[tuple[str, ...]]:
    balance = statement.opening
    for row in statement.rows:
        balance += row.amount
        yield (
            row.day.isoformat(),
            tidy_line(row.text),
            tidy_line(row.account),
            _amount(statement, row.amount),
            _amount(statement, balance),
        )


def _amount(statement: Statement, minor: int) -> str:
    return format_number(minor, statement.currency, statement.locale)


def _day(statement: Statement, day: date) -> str:
    return format_date(day, "long", statement.locale)
