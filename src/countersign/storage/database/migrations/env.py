"""Alembic's entry: runs migrations on the connection that the program gives."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from countersign.storage.database.base import UtcDateTime
from countersign.storage.database.models import metadata


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own kinds of column as plain ones: a migration must not change with the code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and "JSON" in repr(item):
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite cannot alter most of a table in place: Alembic copies it.
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
