"""The matrix as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.table import Table

from tests.certification.matrix.place import SOURCES
from tests.certification.matrix.running import Row

WORDS = {"p": "passed", "f": "failed", "P": "proven", "-": "nothing"}
_SHOWN = 3
"""Names of tests in a row."""


def as_table(rows: Iterable[Row]) -> Table:
    table = Table("server", *SOURCES, "verdict", "expected", "what failed", box=None)
    for row in rows:
        verdict = f"{row.report.verdict}{' (differs)' if row.report.decision.differs else ''}"
        table.add_row(
            row.state.name,
            *(WORDS[letter] for letter in row.seen),
            verdict if row.is_as_expected else f"{verdict} !",
            str(row.state.expected),
            _names(row.failed) or _names(row.undecided, "not seen: "),
        )
    return table


def print_table(rows: Iterable[Row], file: TextIO | None = None) -> None:
    Console(file=file, width=150).print(as_table(rows))


def _names(names: list[str], before: str = "") -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
    return before + ", ".join(names[:_SHOWN]) + more
