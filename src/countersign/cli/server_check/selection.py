"""Which tests are made, and what they are. Pure but for printing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from countersign.certification.advice import advice_for
from countersign.certification.catalogue import ADDRESS, CONNECTION, Test, all_tests
from countersign.cli.server_check.printing import print_advice

_NEEDED = frozenset({ADDRESS.name, CONNECTION.name})
"""Without these nothing could be said of a server."""


class UnknownTestError(Exception):
    """A name that no test has; the text says which ones are like it."""


def tests_by_name() -> dict[str, Test]:
    """Return every test, in the battery's order."""
    return {test.name: test for test in all_tests()}


def left_out(without: Iterable[str], only: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all tests that are not made.

    without, only: names, or patterns such as `relay-*`. Raises :class:`UnknownTestError`.
    """
    names = tests_by_name()
    excluded = {name for pattern in without for name in _fitting(pattern, names)}
    wanted = {name for pattern in only for name in _fitting(pattern, names)}
    if wanted:
        excluded |= names.keys() - wanted
    return tuple(name for name in names if name in excluded - _NEEDED)


def _fitting(pattern: str, names: Iterable[str]) -> list[str]:
    fitting = [name for name in names if fnmatchcase(name, pattern)]
    if fitting:
        return fitting
    close = difflib.get_close_matches(pattern, list(names), n=3)
    meant = f": {', '.join(close)} meant?" if close else ""
    raise UnknownTestError(f"there is no test {pattern!r}{meant} (--list names all)")


def print_list(console: Console) -> None:
    """Print all tests."""
    table = Table(Column("Test", no_wrap=True), "What is tested", "Why")
    for test in all_tests():
        table.add_row(Text(test.name), Text(test.title), Text(test.why))
    console.print(table)


def print_explanation(console: Console, name: str, software: str) -> None:
    """Print what one test means, and how a failure is put right; of all programs, or of one.

    Raises :class:`UnknownTestError`.
    """
    test = tests_by_name()[_fitting(name, tests_by_name())[0]]
    console.print(Text(f"{test.name}: {test.title}", style="bold"))
    console.print(Text(test.why))
    print_advice(console, advice_for(test.name), software)
