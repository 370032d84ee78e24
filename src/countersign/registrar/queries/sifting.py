"""Pages of a list of which an index gives more than is wanted: bounded all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Select

from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import Page, Row, write_cursor

MOST_LOOKED_AT = 2000
"""Rows that are looked at for one page."""


def sift(
    work: Work,
    statement: Select[Row],
    wanted: Callable[[Row], bool],
    key: Callable[[Row], Sequence[str | int | bool]],
    *,
    limit: int,
) -> Page[Row]:
    """Return those rows of an ordered statement that are wanted, for one page.

    Where few are wanted a page may have few rows, or none, and there is a next page all the same.
    """
    found: list[Row] = []
    last: Row | None = None
    rows: Any = work.session.scalars(
        statement.limit(MOST_LOOKED_AT + 1), execution_options={"yield_per": 4 * limit}
    )
    for number, row in enumerate(rows):
        if last is not None and (len(found) == limit or number == MOST_LOOKED_AT):
            rows.close()
            return Page(found, write_cursor(key(last)))
        last = row
        if wanted(row):
            found.append(row)
    return Page(found, None)
