"""A server's history: its event log, as owner, staff and the public may read it (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from countersign.registrar.operations.office import Work
from countersign.storage.database.servers import Server, ServerEvent


def history(
    work: Work,
    server: Server,
    *,
    actions: Sequence[str] = (),
    before: int | None = None,
    limit: int = 50,
) -> list[ServerEvent]:
    """Return a server's events, the latest first.

    actions: those words of the log only; empty: all. before: a key that they come before.
    """
    statement = select(ServerEvent).where(ServerEvent.server_id == server.id)
    if actions:
        statement = statement.where(ServerEvent.action.in_([str(one) for one in actions]))
    if before is not None:
        statement = statement.where(ServerEvent.id < before)
    return list(work.session.scalars(statement.order_by(ServerEvent.id.desc()).limit(limit)))
