"""The log of all that happens to a server."""

from __future__ import annotations

from typing import Any

from countersign.registrar.operations.office import Actor, Work
from countersign.storage.database.servers import Server, ServerEvent


def add_event(
    work: Work,
    server: Server,
    action: str,
    actor: Actor,
    *,
    reason: str = "",
    public_text: str = "",
    details: dict[str, Any] | None = None,
    states: tuple[Any, Any] = (None, None),
) -> ServerEvent:
    """Write one event to the log of a server, and flush: the change that it explains included.

    Raises StaleDataError, which :meth:`Office.work` makes a ConflictError.
    """
    event = ServerEvent(
        server_id=server.id,
        at=work.now,
        account_id=actor.account_id,
        role=actor.role,
        action=str(action),
        from_state=states[0],
        to_state=states[1],
        reason=reason,
        public_text=public_text,
        details=details or {},
    )
    work.session.add(event)
    work.session.flush()
    return event
