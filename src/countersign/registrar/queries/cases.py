"""Cases that wait for a decision: suspensions, forfeitures, deregistrations (DESIGN §6, §9)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from countersign.registrar.operations.deregistration import deregistration_proposals
from countersign.registrar.operations.office import Work
from countersign.registrar.queries import timelines
from countersign.registrar.queries.paging import Page, after, bounded, page_of, read_cursor
from countersign.registrar.queries.sifting import sift
from countersign.registrar.queries.staff_servers import in_state, moment_of
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import Account
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.servers import Server, ServerEvent


def suspensions(
    work: Work, *, open_only: bool = False, cursor: str | None = None, limit: int = 30
) -> Page[Server]:
    """Return suspended servers, the longest suspended first.

    open_only: those whose remedy nobody has said to be done.
    """
    if not open_only:
        return in_state(work, State.SUSPENDED, cursor=cursor, limit=limit)
    columns = [Server.state_since, Server.id]
    statement = select(Server).where(Server.state == State.SUSPENDED).order_by(*columns)
    if cursor is not None:
        since, server_id = read_cursor(cursor, [str, int])
        statement = statement.where(after(columns, (moment_of(since), server_id)))
    return sift(
        work,
        statement,
        lambda one: one.remedy_done_at is None,
        lambda one: [one.state_since.isoformat(), one.id],
        limit=limit,
    )


@dataclass(frozen=True, slots=True)
class Proposed:
    """A forfeiture that waits, with its server."""

    forfeiture: Forfeiture
    server: Server
    proposer: str
    """The proposer's name."""


def forfeitures(work: Work, *, cursor: str | None = None, limit: int = 30) -> Page[Proposed]:
    """Return forfeitures that wait for a decision, those first whose time to reply ends first."""
    columns = [Forfeiture.reply_until, Forfeiture.id]
    statement = (
        select(Forfeiture, Server, Account.name)
        .join(Server, Server.id == Forfeiture.server_id)
        .join(Account, Account.id == Forfeiture.proposed_by)
        .where(Forfeiture.state == ForfeitureState.PROPOSED)
        .order_by(*columns)
    )
    if cursor is not None:
        until, key = read_cursor(cursor, [str, int])
        statement = statement.where(after(columns, (moment_of(until), key)))
    rows = [Proposed(*row) for row in work.session.execute(bounded(statement, limit))]
    return page_of(
        rows, limit, lambda one: [one.forfeiture.reply_until.isoformat(), one.forfeiture.id]
    )


@dataclass(frozen=True, slots=True)
class StrikingOff:
    """A proposal to strike a server off."""

    event: ServerEvent
    server: Server
    proposer: str


def deregistrations(work: Work, *, cursor: str | None = None, limit: int = 30) -> Page[StrikingOff]:
    """Return the proposals to strike servers off that wait for a decision, the oldest first."""
    last = read_cursor(cursor, [int])[0] if cursor is not None else 0
    events = deregistration_proposals(work, after=last, limit=limit + 1)
    names = timelines.names_of(work, [event.account_id for event in events])
    rows = [
        StrikingOff(
            event,
            work.session.get_one(Server, event.server_id),
            names.get(event.account_id or 0, ""),
        )
        for event in events
    ]
    return page_of(rows, limit, lambda one: [one.event.id])
