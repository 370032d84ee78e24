"""Strike servers off: one adjudicator proposes it, another makes it (DESIGN §6, §9)."""

from __future__ import annotations

from sqlalchemy import exists, literal_column, select
from sqlalchemy.orm import aliased

from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.refunds import refund_if_free
from countersign.registrar.operations.sanctions import (
    check_reason,
    prepare,
    public_line,
)
from countersign.registrar.operations.transitions import add_event, move
from countersign.rules.life_cycle import MAY_BE_STRUCK_OFF, Action
from countersign.storage.database.servers import Server, ServerEvent

_DECISIVE = (
    str(Happening.DEREGISTRATION_PROPOSED),
    str(Happening.DEREGISTRATION_DROPPED),
    # Whoever reinstates a server does not want it struck off.
    str(Action.REINSTATE),
)


def propose_deregistration(
    work: Work,
    actor: Actor,
    server: Server,
    *,
    reason: str,
    public_text: str = "",
    seen_version: int | None = None,
) -> ServerEvent:
    """Propose that a server be struck off; another adjudicator decides."""
    account_of(actor)
    prepare(work, actor, server, seen_version)
    if server.state not in MAY_BE_STRUCK_OFF:
        raise OperationError(f"A server that is {server.state} cannot be deregistered.")
    if deregistration_proposal(work, server) is not None:
        raise ConflictError("Its deregistration is proposed already.")
    event = add_event(
        work,
        server,
        Happening.DEREGISTRATION_PROPOSED,
        actor,
        reason=check_reason(reason),
        details={"public_text": public_line(public_text) if public_text else ""},
    )
    notify_of_event(work, server, event)
    return event


def drop_deregistration(
    work: Work, actor: Actor, server: Server, reason: str, *, seen_version: int | None = None
) -> ServerEvent:
    """Drop a proposal to strike a server off."""
    prepare(work, actor, server, seen_version)
    if deregistration_proposal(work, server) is None:
        raise ConflictError("No deregistration is proposed.")
    event = add_event(
        work, server, Happening.DEREGISTRATION_DROPPED, actor, reason=check_reason(reason)
    )
    notify_of_event(work, server, event)
    return event


def deregister(
    work: Work, actor: Actor, server: Server, *, seen_version: int | None = None
) -> ServerEvent:
    """Strike a server off, as another adjudicator has proposed.

    What is left of its bond is set aside for the owner, unless a forfeiture is being decided,
    or a claim on it as a sponsor: then that decides first (contract, section 16.2).
    """
    prepare(work, actor, server, seen_version)
    proposal = deregistration_proposal(work, server)
    if proposal is None:
        raise OperationError("Its deregistration must first be proposed by another adjudicator.")
    if proposal.account_id == account_of(actor):
        raise ForbiddenError("You proposed this: another adjudicator decides.")
    event = move(
        work,
        server,
        Action.DEREGISTER,
        actor,
        reason=proposal.reason,
        public_text=proposal.details["public_text"],
        details={"proposal": proposal.id},
    )
    server.public_reason, server.remedy = "", ""
    refund_if_free(work, server, event)
    work.session.flush()
    return event


def deregistration_proposal(work: Work, server: Server) -> ServerEvent | None:
    """Return the proposal to strike a server off that waits for a decision."""
    if server.state not in MAY_BE_STRUCK_OFF:
        return None
    last = work.session.scalar(
        select(ServerEvent)
        .where(
            ServerEvent.server_id == server.id,
            ServerEvent.action.in_(_DECISIVE),
        )
        .order_by(ServerEvent.id.desc())
        .limit(1)
    )
    if last is None or last.action != Happening.DEREGISTRATION_PROPOSED:
        return None
    return last


def refuse_while_proposed(work: Work, server: Server) -> None:
    """Raise :class:`OperationError` for a server that leaves before it may be struck off.

    The server is held, so that nobody proposes it at the same moment.
    """
    hold(work, server)
    if deregistration_proposal(work, server) is not None:
        raise OperationError(
            "It is being decided whether this server is struck off: leave when the decision has "
            "been made."
        )


def deregistration_proposals(work: Work, *, after: int = 0, limit: int = 50) -> list[ServerEvent]:
    """Return the proposals to strike servers off that wait for a decision, the oldest first."""
    later = aliased(ServerEvent)
    return list(
        work.session.scalars(
            select(ServerEvent)
            .join(Server, Server.id == ServerEvent.server_id)
            .where(
                # Written out: SQLite uses a partial index for a condition that it can read only.
                ServerEvent.action == literal_column(f"'{Happening.DEREGISTRATION_PROPOSED}'"),
                ServerEvent.id > after,
                Server.state.in_(MAY_BE_STRUCK_OFF),
                ~exists().where(
                    later.server_id == ServerEvent.server_id,
                    later.id > ServerEvent.id,
                    later.action.in_(_DECISIVE),
                ),
            )
            .order_by(ServerEvent.id)
            .limit(limit)
        )
    )
