"""The servers that an account has a hand in, and what happened to each (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, union
from sqlalchemy.orm import InstrumentedAttribute

from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import Page, bounded, page_of, read_cursor
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account
from countersign.storage.database.servers import Server, ServerEvent

_COLUMNS: dict[Role, InstrumentedAttribute[int] | InstrumentedAttribute[int | None]] = {
    Role.OWNER: Server.owner_id,
    Role.AGENT: Server.agent_id,
    Role.ADMIN_CONTACT: Server.admin_contact_id,
}


def servers_of(
    work: Work,
    account_id: int,
    roles: Iterable[Role],
    *,
    cursor: str | None = None,
    limit: int = 25,
) -> Page[Server]:
    """Return the servers that an account owns or administers, the latest first.

    roles: those that the account has; with AGENT also the servers it applies for.
    """
    held = {Role.OWNER, Role.ADMIN_CONTACT} | (frozenset(roles) & {Role.AGENT})
    before = read_cursor(cursor, [int])[0] if cursor is not None else None

    def keys(role: Role) -> Select[tuple[int]]:
        # Each is a piece of one index; so the whole costs the same however many there are.
        statement = select(Server.id).where(_COLUMNS[role] == account_id)
        if before is not None:
            statement = statement.where(Server.id < before)
        inner = bounded(statement.order_by(Server.id.desc()), limit).subquery()
        return select(inner.c.id)

    found = union(*(keys(role) for role in sorted(held))).subquery()
    statement = select(Server).where(Server.id.in_(select(found.c.id))).order_by(Server.id.desc())
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda server: [server.id])


def count_by_state(work: Work, agent_id: int) -> dict[State, int]:
    """Return how many servers of an agent are in each state; states without any are left out."""
    rows = work.session.execute(
        select(Server.state, func.count()).where(Server.agent_id == agent_id).group_by(Server.state)
    )
    return {state: int(count) for state, count in rows}


@dataclass(frozen=True, slots=True)
class Applicant:
    """A server that an agent applies for, with its owner."""

    server: Server
    owner: str
    """The owner's name."""


def applicants_of(
    work: Work,
    agent_id: int,
    *,
    states: Sequence[State] = (),
    host: str = "",
    cursor: str | None = None,
    limit: int = 25,
) -> Page[Applicant]:
    """Return the servers that an agent applies for, the latest first.

    states: empty: all. host: how the host name begins.
    """
    statement = (
        select(Server, Account.name)
        .join(Account, Account.id == Server.owner_id)
        .where(Server.agent_id == agent_id)
        .order_by(Server.id.desc())
    )
    if states:
        statement = statement.where(Server.state.in_(states))
    if host:
        statement = statement.where(Server.hostname.startswith(host, autoescape=True))
    if cursor is not None:
        statement = statement.where(Server.id < read_cursor(cursor, [int])[0])
    rows = [Applicant(*row) for row in work.session.execute(bounded(statement, limit))]
    return page_of(rows, limit, lambda one: [one.server.id])


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a server's log, as those see it whom the server concerns."""

    event: ServerEvent
    who: str
    """Who did it. Persons that have no hand in the server are named by their office only."""


def events_of(
    work: Work,
    server: Server,
    viewer_id: int,
    *,
    actions: Sequence[str] = (),
    cursor: str | None = None,
    limit: int = 30,
) -> Page[Happened]:
    """Return what happened to a server, the latest first.

    viewer_id: the account that looks. actions: those words of the log only; empty: all.
    """
    statement = (
        select(ServerEvent, Account.name)
        .outerjoin(Account, Account.id == ServerEvent.account_id)
        .where(ServerEvent.server_id == server.id)
        .order_by(ServerEvent.id.desc())
    )
    if actions:
        statement = statement.where(ServerEvent.action.in_([str(one) for one in actions]))
    if cursor is not None:
        statement = statement.where(ServerEvent.id < read_cursor(cursor, [int])[0])
    rows = [
        Happened(event, _who(server, event, name or "", viewer_id))
        for event, name in work.session.execute(bounded(statement, limit))
    ]
    return page_of(rows, limit, lambda one: [one.event.id])


def latest_event(work: Work, server: Server, action: str) -> ServerEvent | None:
    """Return the last event of a kind; None: there was none."""
    return work.session.scalar(
        select(ServerEvent)
        .where(ServerEvent.server_id == server.id, ServerEvent.action == action)
        .order_by(ServerEvent.id.desc())
        .limit(1)
    )


_OFFICES: dict[Role, str] = {
    Role.OWNER: "the owner",
    Role.ADMIN_CONTACT: "the admin contact",
    Role.AGENT: "the agent",
    Role.PROBE: "a tester of the registrar",
    Role.SYSTEM: "the registrar",
}


def _who(server: Server, event: ServerEvent, name: str, viewer_id: int) -> str:
    if event.account_id is not None and event.account_id == viewer_id:
        return "you"
    office = _OFFICES.get(event.role, f"{'an' if event.role[0] in 'aeiou' else 'a'} {event.role}")
    parties = (server.owner_id, server.agent_id, server.admin_contact_id)
    if event.account_id is None or event.role is Role.SYSTEM:
        return office
    if event.account_id in parties:
        return f"{name}, {office}"
    if event.role is Role.OWNER:
        # A sponsor's owner, most likely: the host is theirs to show, the name is not.
        return f"the owner of {_sponsor(event.details)}"
    if event.role is Role.AGENT:
        return "a former agent"
    return office


def _sponsor(details: dict[str, Any]) -> str:
    names = details.get("sponsors") or [details.get("sponsor") or details.get("server")]
    return ", ".join(str(name) for name in names if name) or "another server"
