"""Pages of a long list, by the key of the last row seen: no page costs more than the first."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from countersign.registrar.operations.office import OperationError

Row = TypeVar("Row")
Columns = TypeVarTuple("Columns")

LARGEST_PAGE = 200
_LONGEST_CURSOR = 1000


class CursorError(OperationError):
    """The cursor was not given out by us."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A piece of a list."""

    rows: Sequence[Row]
    next: str | None
    """Cursor of the page that follows; None: this is the last."""


def write_cursor(key: Sequence[str | int | bool]) -> str:
    """Return a row's key as text for a URL."""
    text = json.dumps(list(key), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def read_cursor(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """Return the key in a cursor. Raises :class:`CursorError`."""
    if len(cursor) > _LONGEST_CURSOR:
        raise CursorError("That page address is not one of ours.")
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise CursorError("That page address is not one of ours.") from None
    if not (
        isinstance(key, list)
        and len(key) == len(kinds)
        and all(type(part) is kind for part, kind in zip(key, kinds, strict=True))
        and all(not isinstance(part, int) or abs(part) < 2**63 for part in key)
        and all(not isinstance(part, str) or _is_storable(part) for part in key)
    ):
        raise CursorError("That page address is not one of ours.")
    return key


def _is_storable(text: str) -> bool:
    """Tell whether a database can be asked for a text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def after(columns: Sequence[Any], key: Sequence[Any], *, descending: bool = False) -> Any:
    """Return the condition that a row comes after a key, in the order of the columns."""
    conditions: list[ColumnElement[bool]] = []
    for number, (column, value) in enumerate(zip(columns, key, strict=True)):
        same = [columns[i] == key[i] for i in range(number)]
        beyond = column < value if descending else column > value
        conditions.append(and_(*same, beyond))
    return or_(*conditions)


def page_of(
    rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[str | int | bool]]
) -> Page[Row]:
    """Return a page from rows of which one more than ``limit`` was asked for."""
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], write_cursor(key(rows[limit - 1])))


def bounded(statement: Select[*Columns], limit: int) -> Select[*Columns]:
    """Limit a statement to a page and one row more. Raises :class:`OperationError`."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise OperationError(f"A page has 1 to {LARGEST_PAGE} rows.")
    return statement.limit(limit + 1)


def latest_first(
    statement: Select[*Columns], key: InstrumentedAttribute[int], cursor: str | None
) -> Select[*Columns]:
    """Order a list by a row's key, the latest first, and begin it behind a cursor of that key.

    Raises :class:`CursorError`.
    """
    if cursor is not None:
        statement = statement.where(key < read_cursor(cursor, [int])[0])
    return statement.order_by(key.desc())
