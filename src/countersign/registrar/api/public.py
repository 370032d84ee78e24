"""The API's public part: hosts, the directory, figures. No token is needed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import office_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.problems import answers
from countersign.registrar.api.public_shapes import (
    Cities,
    CityCount,
    Countries,
    CountryCount,
    DirectoryEntry,
    Entries,
    Figures,
    Host,
    PublicEvent,
    RegionCount,
    Regions,
)
from countersign.registrar.api.shapes import Cursor, Limit, Line
from countersign.registrar.operations.office import NotFoundError
from countersign.registrar.particulars.places import country_name, region_of, regions
from countersign.registrar.particulars.text import fold
from countersign.registrar.queries import directory, figures, hosts
from countersign.registrar.web.access import PUBLIC, declare

router = APIRouter(tags=["Public"], route_class=GuardedRoute)

Country = Annotated[str, Path(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")]
Region = Annotated[
    str | None, Query(pattern="^[A-Z]{2}$", description="Of one part of the world only.")
]


@router.get("/hosts/{hostname}", response_model=Host, responses=answers(304, 404))
@declare(PUBLIC)
def get_host(
    request: Request,
    hostname: Annotated[str, Path(max_length=255)],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Get how a host stands, since when, and why. 404: it was never registered."""
    try:
        name = normalise_hostname(hostname)
    except AddressSyntaxError as error:
        raise NotFoundError(f"That is not a host name: {error}.") from None
    with office_of(request).reading() as work:
        record = hosts.look_up(work, name)
    if record is None:
        raise NotFoundError("This host was never registered.")
    server = record.server
    return show(
        Host(
            hostname=server.hostname,
            state=server.state,
            listed=record.is_listed,
            since=server.state_since,
            registered_on=record.registered_on,
            organisation=server.display_name,
            country=server.country,
            city=server.city,
            reason=server.public_reason if record.is_listed else "",
            history=[PublicEvent.model_validate(event) for event in record.history],
        ),
        if_none_match,
    )


@router.get("/directory/regions", response_model=Regions, responses=answers(304))
@declare(PUBLIC)
def list_regions(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """List the parts of the world that have registered servers."""
    with office_of(request).reading() as work:
        counts = directory.by_region(work)
    names = {one.code: one.name for one in regions()}
    items = [
        RegionCount(
            region=one.code,
            name=names.get(one.code, one.code),
            servers=one.servers,
            providers=one.providers,
        )
        for one in counts
    ]
    return show(Regions(items=items), if_none_match)


@router.get("/directory/countries", response_model=Countries, responses=answers(304))
@declare(PUBLIC)
def list_countries(
    request: Request, region: Region = None, if_none_match: IfNoneMatch = None
) -> Response:
    """List the countries that have registered servers."""
    with office_of(request).reading() as work:
        counts = directory.by_country(work, region)
    items = [
        CountryCount(
            country=one.code,
            name=country_name(one.code),
            region=region_of(one.code).code,
            servers=one.servers,
            providers=one.providers,
        )
        for one in counts
    ]
    return show(Countries(items=items), if_none_match)


@router.get(
    "/directory/countries/{country}/cities",
    response_model=Cities,
    responses=answers(304, 404, 422),
)
@declare(PUBLIC)
def list_cities(
    request: Request,
    country: Country,
    *,
    cursor: Cursor = None,
    limit: Limit = 60,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the cities of a country that have registered servers, by name."""
    with office_of(request).reading() as work:
        page = directory.cities(work, country, cursor=cursor, limit=limit)
    items = [CityCount.model_validate(place) for place in page.rows]
    return show(Cities(items=items, next=page.next), if_none_match)


@router.get(
    "/directory/countries/{country}/servers",
    response_model=Entries,
    responses=answers(304, 404, 422),
)
@declare(PUBLIC)
def list_servers(
    request: Request,
    country: Country,
    *,
    city: Annotated[Line | None, Query(description="As `cities` names it.")] = None,
    providers: Annotated[bool, Query(description="Only those that take customers.")] = False,
    cursor: Cursor = None,
    limit: Limit = 30,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the registered servers of a country or city, with their public contacts."""
    with office_of(request).reading() as work:
        page = directory.servers_at(
            work, country, city, providers_only=providers, cursor=cursor, limit=limit
        )
    items = [DirectoryEntry.model_validate(server) for server in page.rows]
    return show(Entries(items=items, next=page.next), if_none_match)


@router.get("/directory/search", response_model=Entries, responses=answers(304, 422))
@declare(PUBLIC)
def search_servers(
    request: Request,
    q: Annotated[Line, Query(min_length=1, description="How the name begins.")],
    cursor: Cursor = None,
    limit: Limit = 30,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the registered servers whose name or host name begins so."""
    with office_of(request).reading() as work:
        page = directory.search(work, fold(q), cursor=cursor, limit=limit)
    items = [DirectoryEntry.model_validate(server) for server in page.rows]
    return show(Entries(items=items, next=page.next), if_none_match)


@router.get("/figures", response_model=Figures, responses=answers(304))
@declare(PUBLIC)
def get_figures(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Get the figures of the last 24 months."""
    with office_of(request).reading() as work:
        months = figures.by_month(work)
        states = figures.by_state(work)
        s_day = figures.s_day(work)
    return show(
        Figures(
            s_day=s_day,
            states={str(state): count for state, count in states.items()},
            months=months.months,
            counts=months.counts,
        ),
        if_none_match,
    )
