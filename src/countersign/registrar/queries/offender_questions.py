"""The questions that an account has asked about offenders: when, and what was answered."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import or_, select

from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import (
    CursorError,
    Page,
    bounded,
    page_of,
    read_cursor,
)
from countersign.rules.life_cycle import State
from countersign.storage.database.screening import OffenderQuery
from countersign.storage.database.servers import Server

MOST_SERVERS = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of one's own. Whom it was about is not kept in a form that can be read."""

    id: int
    at: datetime.datetime
    hostname: str
    """For which server it was asked."""
    answer: str
    """'none', or the level."""


def questions_of(
    work: Work, account_id: int, *, cursor: str | None = None, limit: int = 20
) -> Page[Asked]:
    """Return the questions of an account, the latest first."""
    statement = (
        select(OffenderQuery.id, OffenderQuery.at, Server.hostname, OffenderQuery.answer)
        .join(Server, Server.id == OffenderQuery.server_id)
        .where(OffenderQuery.account_id == account_id)
        .order_by(OffenderQuery.at.desc(), OffenderQuery.id.desc())
    )
    if cursor is not None:
        last, key = read_cursor(cursor, [str, int])
        at = _moment(last)
        statement = statement.where(
            (OffenderQuery.at < at) | ((OffenderQuery.at == at) & (OffenderQuery.id < key))
        )
    rows = [Asked(*row) for row in work.session.execute(bounded(statement, limit))]
    return page_of(rows, limit, lambda one: [one.at.isoformat(), one.id])


def _moment(text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise CursorError("That page address is not one of ours.") from None
    if found.tzinfo is None:
        raise CursorError("That page address is not one of ours.")
    return found


def servers_that_may_ask(work: Work, account_id: int) -> list[tuple[int, str]]:
    """Return key and host name of the active servers that an account owns or administers."""
    rows = work.session.execute(
        select(Server.id, Server.hostname)
        .where(
            or_(Server.owner_id == account_id, Server.admin_contact_id == account_id),
            Server.state == State.ACTIVE,
        )
        .order_by(Server.id)
        .limit(MOST_SERVERS)
    )
    return [(row[0], row[1]) for row in rows]
