"""The public directory: registered servers by region, country and city (DESIGN §4, §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import (
    CursorError,
    Page,
    after,
    bounded,
    page_of,
    read_cursor,
)
from countersign.storage.database.publication import PlaceCount
from countersign.storage.database.servers import IS_ACTIVE, Server

_NAMES, _HOSTS = "name", "host"
"""The two lists that a search goes through, as its cursors name them."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many servers a region or country has."""

    code: str
    servers: int
    providers: int
    """Those among them that take customers."""


def by_region(work: Work) -> list[Count]:
    """Return the continents that have servers, by code."""
    return _sums(work, PlaceCount.region)


def by_country(work: Work, region: str | None = None) -> list[Count]:
    """Return the countries (of a region) that have servers, by code."""
    return _sums(work, PlaceCount.country, *([PlaceCount.region == region] if region else []))


def _sums(
    work: Work, column: InstrumentedAttribute[str], *conditions: ColumnElement[bool]
) -> list[Count]:
    rows = work.session.execute(
        select(column, func.sum(PlaceCount.servers), func.sum(PlaceCount.providers))
        .where(PlaceCount.servers > 0, *conditions)
        .group_by(column)
        .order_by(column)
    )
    return [Count(code, int(servers), int(providers)) for code, servers, providers in rows]


def cities(
    work: Work, country: str, *, cursor: str | None = None, limit: int = 60
) -> Page[PlaceCount]:
    """Return the cities of a country that have servers, by name."""
    statement = (
        select(PlaceCount)
        .where(PlaceCount.country == country, PlaceCount.servers > 0)
        .order_by(PlaceCount.city)
    )
    if cursor is not None:
        statement = statement.where(PlaceCount.city > read_cursor(cursor, [str])[0])
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda place: [place.city])


def largest_places(work: Work, country: str | None = None, limit: int = 200) -> list[PlaceCount]:
    """Return the cities with the most servers, for the map's dots."""
    statement = (
        select(PlaceCount)
        .where(PlaceCount.servers > 0, PlaceCount.latitude.is_not(None))
        .order_by(PlaceCount.servers.desc())
        .limit(limit)
    )
    if country is not None:
        statement = statement.where(PlaceCount.country == country)
    return list(work.session.scalars(statement))


def servers_at(
    work: Work,
    country: str,
    city: str | None = None,
    *,
    providers_only: bool = False,
    cursor: str | None = None,
    limit: int = 30,
) -> Page[Server]:
    """Return the active servers of a country or city: by city, then name."""
    columns = [Server.city, Server.display_key, Server.id]
    statement = select(Server).where(IS_ACTIVE, Server.country == country).order_by(*columns)
    if city is not None:
        statement = statement.where(Server.city == city)
    if providers_only:
        statement = statement.where(Server.takes_customers.is_(True))
    if cursor is not None:
        statement = statement.where(after(columns, read_cursor(cursor, [str, str, int])))
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.city, one.display_key, one.id])


def search(work: Work, key: str, *, cursor: str | None = None, limit: int = 30) -> Page[Server]:
    """Return active servers whose name, or else host name, begins with a folded text.

    First those found by name, then those by host name only; each once.
    """
    if not key:
        return Page([], None)
    begin = read_cursor(cursor, [str, str, int]) if cursor is not None else [_NAMES, "", 0]
    if begin[0] not in (_NAMES, _HOSTS):
        raise CursorError("That page address is not one of ours.")
    rows: list[Server] = []
    if begin[0] == _NAMES:
        by_name = _begins(Server.display_key, key, begin[1:])
        rows = list(work.session.scalars(bounded(by_name, limit)))
        if len(rows) > limit:
            return page_of(rows, limit, lambda one: [_NAMES, one.display_key, one.id])
        begin = [_HOSTS, "", 0]
    named = len(rows)
    by_host = _begins(Server.hostname, key, begin[1:]).where(
        or_(Server.display_key < key, Server.display_key >= _successor(key))
    )
    rows += work.session.scalars(by_host.limit(limit + 1 - named))
    return page_of(
        rows,
        limit,
        lambda one: [_HOSTS, one.hostname, one.id] if limit > named else [_HOSTS, "", 0],
    )


def _begins(
    column: InstrumentedAttribute[str], key: str, position: Sequence[Any]
) -> Select[Server]:
    """Return what finds active servers by the beginning of a column, behind a position."""
    columns: list[InstrumentedAttribute[Any]] = [column, Server.id]
    return (
        select(Server)
        .where(IS_ACTIVE, column >= key, column < _successor(key), after(columns, position))
        .order_by(*columns)
    )


def _successor(key: str) -> str:
    """Return the least text that is greater than all that begin with the key."""
    return key[:-1] + chr(min(ord(key[-1]) + 1, 0x10FFFF))
