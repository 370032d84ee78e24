"""Tables and times as commands show them; what strangers wrote does no harm to a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(soft_wrap=True)


def plain(words: str) -> Text:
    """Return words without markup and control characters."""
    return Text("".join(letter if letter.isprintable() else "?" for letter in words))


def show_table(names: Sequence[str], rows: Iterable[Sequence[str]], if_none: str) -> None:
    """Print a table of words, or a sentence if there are no rows."""
    table = Table()
    for name in names:
        # Folded: what is cut off cannot be copied.
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console.print(table if table.row_count else if_none)


def show_record(names: Sequence[str], values: Sequence[str]) -> None:
    """Print one thing, a line for each of its values, which any terminal has room for."""
    width = max(len(name) for name in names)
    for name, value in zip(names, values, strict=True):
        console.print(plain(f"{name:{width}}  {value}"))


def show_time(at: float) -> str:
    """Return a time of Unix seconds in this host's time zone."""
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"


def iso_time(at: float) -> str:
    """Return a time of Unix seconds by RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat()
