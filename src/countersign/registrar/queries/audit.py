"""Who looked at what, and who asked about offenders: as auditors read it (DESIGN §6)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import Page, after, bounded, page_of, read_cursor
from countersign.registrar.queries.sifting import sift
from countersign.registrar.queries.staff_servers import moment_of
from countersign.registrar.queries.timelines import names_of
from countersign.storage.database.accounts import AccessRecord
from countersign.storage.database.screening import OffenderQuery
from countersign.storage.database.servers import Server


@dataclass(frozen=True, slots=True)
class Filters:
    """Which records are wanted."""

    account_id: int = 0
    """Who; 0: anybody."""
    subject: str = ""
    """What was looked at, e.g. 'server:4'; empty: anything."""
    what: str = ""
    """What was done, e.g. 'document seen'; empty: anything."""
    begin: datetime.datetime | None = None
    end: datetime.datetime | None = None
    """Excluded."""


def records(
    work: Work, filters: Filters, *, cursor: str | None = None, limit: int = 50
) -> Page[AccessRecord]:
    """Return records of the access log, the latest first."""
    statement = select(AccessRecord)
    if filters.subject:
        statement = statement.where(AccessRecord.subject == filters.subject)
    elif filters.account_id:
        statement = statement.where(AccessRecord.account_id == filters.account_id)
    elif filters.begin is not None or filters.end is not None:
        return _by_time(work, filters, cursor, limit)
    statement = statement.order_by(AccessRecord.id.desc())
    if cursor is not None:
        statement = statement.where(AccessRecord.id < read_cursor(cursor, [str, int])[1])
    return _sifted(work, statement, filters, limit)


def _by_time(work: Work, filters: Filters, cursor: str | None, limit: int) -> Page[AccessRecord]:
    columns = [AccessRecord.at, AccessRecord.id]
    statement = select(AccessRecord).order_by(*(column.desc() for column in columns))
    if filters.begin is not None:
        statement = statement.where(AccessRecord.at >= filters.begin)
    if filters.end is not None:
        statement = statement.where(AccessRecord.at < filters.end)
    if cursor is not None:
        at, key = read_cursor(cursor, [str, int])
        statement = statement.where(after(columns, (moment_of(at), key), descending=True))
    return _sifted(work, statement, filters, limit)


def _sifted(
    work: Work, statement: Select[AccessRecord], filters: Filters, limit: int
) -> Page[AccessRecord]:
    def wanted(one: AccessRecord) -> bool:
        return (
            filters.account_id in (0, one.account_id)
            and filters.what in ("", one.what)
            and (filters.begin is None or one.at >= filters.begin)
            and (filters.end is None or one.at < filters.end)
        )

    return sift(work, statement, wanted, lambda one: [one.at.isoformat(), one.id], limit=limit)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about an offender."""

    query: OffenderQuery
    hostname: str
    """Of the server for which it was asked."""


def offender_queries(
    work: Work, *, account_id: int = 0, cursor: str | None = None, limit: int = 50
) -> Page[Asked]:
    """Return the questions of owners about offenders, the latest first."""
    statement = select(OffenderQuery, Server.hostname).join(
        Server, Server.id == OffenderQuery.server_id
    )
    columns: list[Any] = [OffenderQuery.id]
    if account_id:
        columns = [OffenderQuery.at, OffenderQuery.id]
        statement = statement.where(OffenderQuery.account_id == account_id)
    statement = statement.order_by(*(column.desc() for column in columns))
    if cursor is not None:
        at, key = read_cursor(cursor, [str, int])
        values = [moment_of(at), key][-len(columns) :]
        statement = statement.where(after(columns, values, descending=True))
    rows = [Asked(*row) for row in work.session.execute(bounded(statement, limit))]
    return page_of(rows, limit, lambda one: [one.query.at.isoformat(), one.query.id])


def people(work: Work, page: Page[Any]) -> dict[int, str]:
    """Return the names of whoever a page's rows are of."""
    rows = [getattr(row, "query", row) for row in page.rows]
    return names_of(work, [row.account_id for row in rows])
