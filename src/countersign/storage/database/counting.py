"""Counters that many transactions change at once: one statement each, no reading first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from countersign.storage.database.base import Base

Rows = Sequence[dict[str, Any]]


def add_to(
    session: Session,
    model: type[Base],
    key: dict[str, Any],
    increments: dict[str, int],
    others: dict[str, Any] | None = None,
) -> None:
    """Add to a row's counters, making the row if there is none.

    others: further columns of a new row; a row that is there keeps its own.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    table = model.__table__
    statement = insert(table).values({**(others or {}), **key, **increments})  # type: ignore[arg-type]
    session.execute(
        statement.on_conflict_do_update(
            index_elements=list(key),
            set_={name: table.c[name] + amount for name, amount in increments.items()},
        )
    )


def add_many(
    session: Session, model: type[Base], key: Sequence[str], counters: Sequence[str], rows: Rows
) -> None:
    """Add to the counters of many rows at one stroke; see :func:`add_to`.

    rows: values by column name, of the key, the counters, and the others of a new row.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(model.__table__)  # type: ignore[arg-type]
    statement = statement.on_conflict_do_update(
        index_elements=list(key),
        set_={name: model.__table__.c[name] + statement.excluded[name] for name in counters},
    )
    if rows:
        session.connection().execute(statement, list(rows))
