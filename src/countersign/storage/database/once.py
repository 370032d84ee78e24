"""Rows that many may want to write and only one may: in one statement, on both engines."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from countersign.storage.database.base import Base


def insert_once(session: Session, model: type[Base], values: dict[str, Any]) -> int | None:
    """Insert a row and return its key; None: a row with the same unique values is there.

    A row that another transaction is just inserting is waited for.
    """
    insert: Any = (
        sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    )
    session.flush()
    key: int | None = session.scalar(
        insert(model).values(values).on_conflict_do_nothing().returning(model.__table__.c.id)
    )
    return key
