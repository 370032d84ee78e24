"""Shapes of what the API tells everybody."""

from __future__ import annotations

import datetime

from countersign.registrar.api.shapes import Shape
from countersign.rules.life_cycle import State


class PublicEvent(Shape):
    """A change of state that everybody may know."""

    at: datetime.datetime
    to_state: State
    public_text: str


class Host(Shape):
    """What is public of a host that is or was registered."""

    hostname: str
    state: State
    listed: bool
    """Whether the public zone names it now."""
    since: datetime.datetime
    """When the present state began."""
    registered_on: datetime.date
    organisation: str
    country: str
    city: str
    reason: str
    """Why it is suspended; else empty."""
    history: list[PublicEvent]


class RegionCount(Shape):
    """Registered servers of a part of the world."""

    region: str
    """Two letters, as GeoNames has them."""
    name: str
    servers: int
    providers: int
    """Those among them that take customers."""


class Regions(Shape):
    """All parts of the world that have registered servers."""

    items: list[RegionCount]


class CountryCount(Shape):
    """Registered servers of a country."""

    country: str
    """ISO 3166-1 alpha-2."""
    name: str
    region: str
    """Part of the world, two letters."""
    servers: int
    providers: int
    """Those among them that take customers."""


class CityCount(Shape):
    """Registered servers of a city."""

    city: str
    country: str
    latitude: float | None
    longitude: float | None
    servers: int
    providers: int


class DirectoryEntry(Shape):
    """A registered server in the directory."""

    hostname: str
    display_name: str
    country: str
    city: str
    takes_customers: bool
    public_email: str
    public_phone: str
    website: str


class Countries(Shape):
    """All countries that have registered servers."""

    items: list[CountryCount]


class Cities(Shape):
    """A page of cities."""

    items: list[CityCount]
    next: str | None
    """Value of `cursor` for the next page; null: this is the last."""


class Entries(Shape):
    """A page of the directory."""

    items: list[DirectoryEntry]
    next: str | None
    """Value of `cursor` for the next page; null: this is the last."""


class Figures(Shape):
    """How many servers are in each state, and what happened by month."""

    s_day: datetime.date | None
    """End of the cut-over period."""
    states: dict[str, int]
    months: list[datetime.date]
    counts: dict[str, list[int]]
    """For each kind of event one figure a month; 'forfeited USD' in minor units."""
