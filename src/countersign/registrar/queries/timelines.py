"""What happened to a server, as staff read it: each event with the name of whoever did it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import load_only

from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import Page, bounded, page_of, read_cursor
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account
from countersign.storage.database.screening import DomainAgeRecord
from countersign.storage.database.servers import ServerEvent, TestRun

_OF_FORFEITURE = (
    str(Happening.FORFEITURE_PROPOSED),
    str(Happening.FORFEITURE_REPLIED),
    str(Happening.FORFEITED),
    str(Happening.FORFEITURE_DROPPED),
)
_MOST = 200


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a server's log."""

    event: ServerEvent
    who: str
    """Name and role; 'the registrar' for what it does by itself."""


def history_of(
    work: Work, server_id: int, *, cursor: str | None = None, limit: int = 30
) -> Page[Happened]:
    """Return what happened to a server, the latest first."""
    statement = _events(server_id).order_by(ServerEvent.id.desc())
    if cursor is not None:
        statement = statement.where(ServerEvent.id < read_cursor(cursor, [int])[0])
    rows = [_happened(*row) for row in work.session.execute(bounded(statement, limit))]
    return page_of(rows, limit, lambda one: [one.event.id])


def since(work: Work, server_id: int, event_id: int, *, limit: int = 20) -> list[Happened]:
    """Return what happened to a server after an event, the latest first."""
    statement = _events(server_id).where(ServerEvent.id > event_id)
    rows = work.session.execute(statement.order_by(ServerEvent.id.desc()).limit(limit))
    return [_happened(*row) for row in rows]


def latest(work: Work, server_id: int, action: str) -> Happened | None:
    """Return the last event of a kind; None: there was none."""
    statement = _events(server_id).where(ServerEvent.action == action)
    row = work.session.execute(statement.order_by(ServerEvent.id.desc()).limit(1)).first()
    return _happened(*row) if row is not None else None


def latest_of_each(work: Work, server_ids: Collection[int], action: str) -> dict[int, ServerEvent]:
    """Return the last event of a kind of each of some servers, by the server's key."""
    if not server_ids:
        return {}
    newest = (
        select(func.max(ServerEvent.id))
        .where(ServerEvent.server_id.in_(server_ids), ServerEvent.action == action)
        .group_by(ServerEvent.server_id)
    )
    rows = work.session.scalars(select(ServerEvent).where(ServerEvent.id.in_(newest)))
    return {event.server_id: event for event in rows}


def of_forfeiture(work: Work, server_id: int, forfeiture_id: int) -> list[Happened]:
    """Return what was said and done about a forfeiture, the oldest first."""
    statement = (
        _events(server_id)
        .where(ServerEvent.action.in_(_OF_FORFEITURE))
        .order_by(ServerEvent.id.desc())
        .limit(_MOST)
    )
    rows = [_happened(*row) for row in work.session.execute(statement)]
    return [one for one in reversed(rows) if one.event.details.get("forfeiture") == forfeiture_id]


def last_event(work: Work, server_id: int) -> int:
    """Return the key of the last event of a server; 0: there is none."""
    statement = select(func.max(ServerEvent.id)).where(ServerEvent.server_id == server_id)
    return int(work.session.scalar(statement) or 0)


def runs_of(
    work: Work, server_id: int, *, cursor: str | None = None, limit: int = 20
) -> Page[TestRun]:
    """Return a server's relay tests without their reports, the latest first."""
    statement = (
        select(TestRun)
        .options(
            load_only(
                TestRun.cause, TestRun.asked_at, TestRun.ended_at, TestRun.verdict, TestRun.differs
            )
        )
        .where(TestRun.server_id == server_id)
        .order_by(TestRun.id.desc())
    )
    if cursor is not None:
        statement = statement.where(TestRun.id < read_cursor(cursor, [int])[0])
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda run: [run.id])


def ages_of(work: Work, server_id: int, *, limit: int = 20) -> list[DomainAgeRecord]:
    """Return what was found out about the age of a server's domain, the latest first."""
    return list(
        work.session.scalars(
            select(DomainAgeRecord)
            .where(DomainAgeRecord.server_id == server_id)
            .order_by(DomainAgeRecord.id.desc())
            .limit(limit)
        )
    )


def names_of(work: Work, account_ids: Collection[int | None]) -> dict[int, str]:
    """Return the names of some accounts by their keys."""
    wanted = {one for one in account_ids if one is not None}
    if not wanted:
        return {}
    rows = work.session.execute(select(Account.id, Account.name).where(Account.id.in_(wanted)))
    return dict(rows.all())


def _events(server_id: int) -> Select[ServerEvent, str]:
    return (
        select(ServerEvent, Account.name)
        .outerjoin(Account, Account.id == ServerEvent.account_id)
        .where(ServerEvent.server_id == server_id)
    )


def _happened(event: ServerEvent, name: str | None) -> Happened:
    role = str(event.role).replace("-", " ")
    if event.role is Role.SYSTEM:
        return Happened(event, "the registrar")
    return Happened(event, f"{name}, {role}" if name else role)
