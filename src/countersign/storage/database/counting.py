"""Counters that many transactions change at once: one statement each, no reading first."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from countersign.storage.database.base import Base


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
