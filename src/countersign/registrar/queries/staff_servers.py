"""All servers, as staff look for them (DESIGN §6)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, union
from sqlalchemy.orm import InstrumentedAttribute

from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.queries.paging import Page, after, bounded, page_of, read_cursor
from countersign.registrar.queries.sifting import sift
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import Account
from countersign.storage.database.publication import ZoneChange
from countersign.storage.database.servers import Server


@dataclass(frozen=True, slots=True)
class Parties:
    """The people of a server."""

    owner: Account
    agent: Account | None
    admin_contact: Account | None


def parties(work: Work, server: Server) -> Parties:
    """Return who owns a server, applies for it, and administers it."""

    def account(key: int | None) -> Account | None:
        return work.session.get_one(Account, key) if key is not None else None

    return Parties(
        work.session.get_one(Account, server.owner_id),
        account(server.agent_id),
        account(server.admin_contact_id),
    )


def last_zone_change(work: Work, server_id: int) -> ZoneChange | None:
    """Return how the public zone came to name a server as it does; None: it never did."""
    hostname = select(Server.hostname).where(Server.id == server_id).scalar_subquery()
    return work.session.scalar(
        select(ZoneChange)
        .where(ZoneChange.hostname == hostname, ZoneChange.server_id == server_id)
        .order_by(ZoneChange.id.desc())
        .limit(1)
    )


def in_state(
    work: Work,
    state: State,
    *,
    latest_first: bool = False,
    cursor: str | None = None,
    limit: int = 30,
) -> Page[Server]:
    """Return the servers in a state, by when they came into it."""
    columns = [Server.state_since, Server.id]
    order = [column.desc() if latest_first else column for column in columns]
    statement = select(Server).where(Server.state == state).order_by(*order)
    if cursor is not None:
        since, server_id = read_cursor(cursor, [str, int])
        key = (moment_of(since), server_id)
        statement = statement.where(after(columns, key, descending=latest_first))
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.state_since.isoformat(), one.id])


def search(
    work: Work,
    *,
    host: str = "",
    state: State | None = None,
    cursor: str | None = None,
    limit: int = 30,
) -> Page[Server]:
    """Return the servers whose host name begins with a text, by name; or those of a state."""
    if not host and state is not None:
        return in_state(work, state, latest_first=True, cursor=cursor, limit=limit)
    columns: list[InstrumentedAttribute[Any]] = [Server.hostname, Server.id]
    statement = select(Server).order_by(*columns)
    if host:
        end = host[:-1] + chr(min(ord(host[-1]) + 1, 0x10FFFF))
        statement = statement.where(Server.hostname >= host, Server.hostname < end)
    if cursor is not None:
        statement = statement.where(after(columns, read_cursor(cursor, [str, int])))
    return sift(
        work,
        statement,
        lambda one: state is None or one.state is state,
        lambda one: [one.hostname, one.id],
        limit=limit,
    )


def of_account(work: Work, account_id: int, *, limit: int = 50) -> Page[Server]:
    """Return the servers that an account has a hand in, the latest first."""
    columns = (Server.owner_id, Server.agent_id, Server.admin_contact_id)

    def keys(column: Any) -> Select[int]:
        # Each is a piece of one index.
        inner = select(Server.id).where(column == account_id).order_by(Server.id.desc())
        return select(inner.limit(limit + 1).subquery().c.id)

    found = union(*(keys(column) for column in columns)).subquery()
    statement = select(Server).where(Server.id.in_(select(found.c.id))).order_by(Server.id.desc())
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.id])


def moment_of(text: str) -> datetime.datetime:
    """Return the moment in a cursor. Raises :class:`OperationError`."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise OperationError("That page address is not one of ours.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
