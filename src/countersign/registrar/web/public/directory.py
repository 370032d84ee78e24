"""The directory of registered servers: by region, country and city, or by name."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations.office import NotFoundError
from countersign.registrar.particulars.places import (
    countries as all_countries,
)
from countersign.registrar.particulars.places import (
    country_name,
    region_of,
    regions,
)
from countersign.registrar.particulars.text import fold
from countersign.registrar.queries import directory
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.registrar.web.world_map import City

pages = Pages()


@pages.get("/directory", allow=PUBLIC)
def overview(visit: Visit) -> Response:
    """Show the world: a map, and all countries by region."""
    words = visit.query.text("q", 255)
    if words:
        return _search(visit, words)
    with visit.reading() as work:
        counts = directory.by_country(work)
        places = directory.largest_places(work)
    names = {region.code: region.name for region in regions()}
    grouped: dict[str, list[directory.Count]] = {}
    for count in sorted(counts, key=lambda one: fold(country_name(one.code))):
        grouped.setdefault(names[region_of(count.code).code], []).append(count)
    return visit.render(
        "public/directory.html",
        counts={one.code: one.servers for one in counts},
        cities=[
            City(place.latitude, place.longitude, place.servers, place.city)
            for place in places
            if place.latitude is not None and place.longitude is not None
        ],
        regions=dict(sorted(grouped.items())),
        total=sum(one.servers for one in counts),
        providers=sum(one.providers for one in counts),
    )


def _search(visit: Visit, words: str) -> Response:
    with visit.reading() as work:
        found = directory.search(work, fold(words), cursor=visit.query.text("after", 1000) or None)
    if visit.wants_part:
        return visit.render_part("public/search.html", "results", words=words, page=found)
    return visit.render("public/search.html", words=words, page=found)


@pages.get("/directory/{country}", allow=PUBLIC)
def country(visit: Visit, country: str) -> Response:
    """Show the servers of a country, or of one of its cities."""
    if country not in {code for code, _ in all_countries()}:
        raise NotFoundError("There is no country of that code.")
    city = visit.query.text("city", 255)
    providers_only = visit.query.ticked("providers")
    with visit.reading() as work:
        found = directory.servers_at(
            work,
            country,
            city or None,
            providers_only=providers_only,
            cursor=visit.query.text("after", 1000) or None,
        )
        cities = directory.cities(work, country, cursor=visit.query.text("cities", 1000) or None)
    return visit.render(
        "public/country.html",
        country=country,
        name=country_name(country),
        region=region_of(country).name,
        city=city,
        providers_only=providers_only,
        page=found,
        cities=cities,
    )
