"""Suspend and reinstate servers: an adjudicator decides, and says why (DESIGN §6, §9)."""

from __future__ import annotations

from countersign.registrar.operations.access import people_of, require
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.listing import list_server
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import notify_of_event
from countersign.registrar.operations.offers import forget_suspension, try_activate
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ForbiddenError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.transitions import add_event, check_version, move
from countersign.rules.access import Permission
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import Role
from countersign.storage.database.publication import Listing
from countersign.storage.database.servers import Server, ServerEvent

_LONGEST = 1000
_LONGEST_PUBLIC = 200


def suspend(
    work: Work,
    actor: Actor,
    server: Server,
    *,
    reason: str,
    public_reason: str,
    remedy: str = "",
    seen_version: int | None = None,
) -> ServerEvent:
    """Take a server's sending privileges for the time being.

    reason: for the owner. public_reason: what the registry says to everybody, without personal
    data. remedy: what lifts the suspension, beside bond, fee and contract.
    """
    prepare(work, actor, server, seen_version)
    server.public_reason = public_line(public_reason)
    server.remedy, server.remedy_done_at = bounded(remedy), None
    return move(
        work,
        server,
        Action.SUSPEND,
        actor,
        reason=bounded(reason),
        public_text=server.public_reason,
        details={"remedy": server.remedy},
    )


def suspend_at_once(work: Work, server: Server, *, reason: str, public_reason: str) -> ServerEvent:
    """Suspend a server by the registrar itself, for money: what is owed lifts it when paid."""
    event = suspend(work, SYSTEM, server, reason=reason, public_reason=public_reason)
    server.remedy_done_at = work.now
    work.session.flush()
    return event


def change_suspension(
    work: Work,
    actor: Actor,
    server: Server,
    *,
    reason: str,
    public_reason: str,
    remedy: str,
    seen_version: int | None = None,
) -> ServerEvent:
    """Ask for something else before a suspension is lifted; what was done counts no more."""
    prepare(work, actor, server, seen_version)
    _check_suspended(server)
    server.public_reason = public_line(public_reason)
    server.remedy, server.remedy_done_at = bounded(remedy), None
    event = add_event(
        work,
        server,
        Happening.SUSPENSION_CHANGED,
        actor,
        reason=check_reason(reason),
        public_text=server.public_reason,
        details={"remedy": server.remedy},
    )
    list_server(work, server, event, Listing.SUSPENDED)
    notify_of_event(work, server, event)
    return event


def mark_remedy_done(
    work: Work, actor: Actor, server: Server, reason: str, *, seen_version: int | None = None
) -> bool:
    """Say that the cause of a suspension is removed; tells whether that lifted it.

    If money is still owed, its payment lifts the suspension.
    """
    prepare(work, actor, server, seen_version)
    _check_suspended(server)
    if server.remedy_done_at is not None:
        raise OperationError("This has been said already.")
    server.remedy_done_at = work.now
    event = add_event(work, server, Happening.REMEDY_DONE, actor, reason=check_reason(reason))
    if try_activate(work, server):
        return True
    notify_of_event(work, server, event)
    return False


def reinstate(
    work: Work, actor: Actor, server: Server, reason: str, *, seen_version: int | None = None
) -> ServerEvent:
    """Give a suspended server its sending privileges back, by an adjudicator's decision."""
    prepare(work, actor, server, seen_version)
    event = move(work, server, Action.REINSTATE, actor, reason=bounded(reason))
    forget_suspension(work, server)
    return event


def prepare(work: Work, actor: Actor, server: Server, seen_version: int | None) -> None:
    """Hold a server for an adjudicator's decision. Raises what stands against it.

    Nobody decides in his own cause.
    """
    if actor.role is not Role.SYSTEM:
        require(actor, Permission.ADJUDICATE)
        check_impartial(actor, server)
    hold(work, server)
    check_version(server, seen_version)


def check_impartial(actor: Actor, server: Server) -> None:
    """Raise :class:`ForbiddenError` if somebody is a party to a server."""
    if account_of(actor) in people_of(server):
        raise ForbiddenError("You are a party to this server: somebody else decides.")


def check_reason(reason: str) -> str:
    """Return a reason. Raises :class:`OperationError` if there is none, or it is too long."""
    text = bounded(reason)
    if not text:
        raise OperationError("Give a reason: it is kept, and the owner is told.")
    return text


def bounded(text: str) -> str:
    """Return text that fits into an event. Raises :class:`OperationError`."""
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        raise OperationError(f"This is too long: {_LONGEST} characters at the most.")
    return stripped


def public_line(text: str) -> str:
    """Return text that the public registry may carry. Raises :class:`OperationError`."""
    line = " ".join(text.split())
    if not line:
        raise OperationError("Say what the public registry is to say, in one line.")
    # TXT records and replies of mail servers carry it.
    if len(line.encode()) > _LONGEST_PUBLIC or not line.isprintable():
        raise OperationError(
            f"What the public registry says has {_LONGEST_PUBLIC} octets at the most, and "
            "letters, digits and signs only."
        )
    return line


def _check_suspended(server: Server) -> None:
    if server.state is not State.SUSPENDED:
        raise OperationError(f"The server is not suspended: it is {server.state}.")
