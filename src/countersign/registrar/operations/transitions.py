"""Move a server through its life cycle: the state, its event and its effects in one transaction.

The table of what may follow what is in `rules/life_cycle.py`.
"""

from __future__ import annotations

from typing import Any

from countersign.registrar.operations.counts import count_transition
from countersign.registrar.operations.effects import EFFECTS
from countersign.registrar.operations.events import add_event
from countersign.registrar.operations.needs import unmet_needs
from countersign.registrar.operations.office import Actor, ConflictError, OperationError, Work
from countersign.rules.life_cycle import TRANSITIONS, Action, TransitionError, decide
from countersign.storage.database.servers import Server, ServerEvent

__all__ = ["add_event", "check_version", "move"]


def move(
    work: Work,
    server: Server,
    action: Action,
    actor: Actor,
    *,
    seen_version: int | None = None,
    reason: str = "",
    public_text: str = "",
    details: dict[str, Any] | None = None,
) -> ServerEvent:
    """Make a transition with all its effects and return its event.

    seen_version: the version of the server that a deciding person saw. reason: for owner and
    staff. public_text: for everybody, never personal. details: evidence, see `ServerEvent`.

    Raises :class:`OperationError` if the life cycle does not allow it, with what is missing,
    and :class:`ConflictError` if the server has changed since it was seen.
    """
    check_version(server, seen_version)
    begin = server.state
    known = TRANSITIONS.get((begin, action))
    unmet = unmet_needs(work, server, known.needs) if known else frozenset()
    try:
        transition = decide(begin, action, actor.role, unmet=unmet, reason=reason)
    except TransitionError as error:
        raise OperationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    server.state, server.state_since = transition.to, work.now
    event = add_event(
        work,
        server,
        action,
        actor,
        reason=reason,
        public_text=public_text,
        details=details,
        states=(begin, transition.to),
    )
    count_transition(work, server, begin, action)
    for effect in transition.effects:
        EFFECTS[effect](work, server, event)
    work.session.flush()
    return event


def check_version(server: Server, seen_version: int | None) -> None:
    """Raise :class:`ConflictError` if the server has changed since a person saw it."""
    if seen_version is not None and server.version != seen_version:
        raise ConflictError(
            f"Somebody else has decided in the meantime: {server.hostname} is now "
            f"{server.state}. Look at it again."
        )
