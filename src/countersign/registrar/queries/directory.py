"""The public directory: registered servers by region, country and city (DESIGN §4, §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute

from countersign.registrar.operations.office import Work
from countersign.registrar.queries.paging import Page, after, bounded, page_of, read_cursor
from countersign.storage.database.publication import PlaceCount
from countersign.storage.database.servers import IS_ACTIVE, Server


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
    """Return active servers whose name or host name begins with a folded text.

    A text with a dot in it, or that no name begins with, is looked for among the host names.
    """
    if not key:
        return Page([], None)
    if cursor is None and ("." in key or not _begins(work, Server.display_key, key, None, 1).rows):
        return _begins(work, Server.hostname, key, None, limit)
    if cursor is not None and "." in key:
        return _begins(work, Server.hostname, key, cursor, limit)
    return _begins(work, Server.display_key, key, cursor, limit)


def _begins(
    work: Work, column: InstrumentedAttribute[str], key: str, cursor: str | None, limit: int
) -> Page[Server]:
    columns: list[InstrumentedAttribute[Any]] = [column, Server.id]
    statement = (
        select(Server)
        .where(
            IS_ACTIVE,
            column >= key,
            column < _successor(key),
        )
        .order_by(*columns)
    )
    if cursor is not None:
        statement = statement.where(after(columns, read_cursor(cursor, [str, int])))
    rows = work.session.scalars(bounded(statement, limit)).all()
    name = "hostname" if column is Server.hostname else "display_key"
    return page_of(rows, limit, lambda one: [getattr(one, name), one.id])


def _successor(key: str) -> str:
    """Return the least text that is greater than all that begin with the key."""
    return key[:-1] + chr(min(ord(key[-1]) + 1, 0x10FFFF))
