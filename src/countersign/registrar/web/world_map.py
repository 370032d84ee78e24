"""A map of the world: which countries have how many registered servers. Pure but for its data.

The outlines lie beside this file, in the units of an SVG of 1000 across, made once by
``tools/make_world_map.py`` from Natural Earth. Countries that are too small for an outline
are circles.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countersign.registrar.web.filters import country
from countersign.web.filters import number

DATA = Path(__file__).with_name("world_map.json")
WIDTH = 1000.0
NORTH, SOUTH = 83.7, -56.0
"""Degrees of latitude that the map shows: Antarctica has no servers, and no country code in use."""
CLASSES = 5
MAX_DOTS = 5000
SMALLEST_DOT, LARGEST_DOT = 1.6, 14.0
"""Radii of cities."""

_FULL = 0.8707 * math.pi


def project(latitude: float, longitude: float) -> tuple[float, float]:
    """Return the place of a point in degrees, in the map's units.

    The Natural Earth projection, in the polynomial form of Šavrič, Patterson and Jenny (2011).
    Raises :class:`ValueError` for what is no place on Earth.
    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(f"no place on Earth: {latitude}, {longitude}")
    x, y = _raw(math.radians(latitude), math.radians(longitude))
    scale = WIDTH / (2 * _FULL)
    top = _raw(math.radians(NORTH), 0)[1]
    return (x + _FULL) * scale, (top - y) * scale


def _raw(phi: float, lam: float) -> tuple[float, float]:
    p2 = phi * phi
    p4 = p2 * p2
    x = lam * (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)))
    y = phi * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)))
    return x, y


HEIGHT = float(math.ceil(project(SOUTH, 0)[1]))


@dataclass(frozen=True, slots=True)
class Shape:
    """One country."""

    code: str
    """ISO 3166 alpha-2."""
    name: str
    count: int
    level: int
    """0: no servers; 1 to 5: shade."""
    label: str
    """'Australia: 1,204 registered servers'."""
    url: str
    """Empty where there is nothing to see: such a country is no link."""
    path: str
    """Outline; empty for a small country."""
    x: float
    y: float
    """Middle of a small country's circle."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One city."""

    x: float
    y: float
    radius: float
    label: str


@dataclass(frozen=True, slots=True)
class City:
    """A place with servers; degrees, north and east positive."""

    latitude: float
    longitude: float
    count: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Map:
    """The whole map, ready to be drawn."""

    shapes: list[Shape]
    dots: list[Dot]
    legend: list[tuple[int, str]]
    """Level and its range in words, only of levels that exist."""
    description: str
    width: float = WIDTH
    height: float = HEIGHT


@functools.cache
def _outlines() -> dict[str, str | tuple[float, float]]:
    data: Any = json.loads(DATA.read_text("utf-8"))
    small = {code: (float(x), float(y)) for code, (x, y) in data["small"].items()}
    return {**data["countries"], **small}


def levels(largest: int) -> list[int]:
    """Return the lowest count of each shade, in round numbers: at most five, from 1 up.

    Counts of servers differ by powers of ten, so that shades go by ratio.
    """
    bounds = [1]
    for k in range(1, CLASSES):
        bound = _round(max(largest, 1) ** (k / CLASSES))
        if bounds[-1] < bound <= largest:
            bounds.append(bound)
    return bounds


def _round(value: float) -> int:
    power = 10 ** math.floor(math.log10(value))
    return int(max(size * power for size in (1, 2, 5) if size * power <= value * 1.001))


def draw(
    counts: Mapping[str, int],
    url: Callable[[str], str] | str = "",
    cities: Iterable[City] = (),
) -> Map:
    """Return the map for counts of servers by country (ISO 3166 alpha-2).

    url: gives the address of a country's page by its code, or a text in which ``{code}`` stands
    for it; only countries with servers get one. Codes without a place on the map are left out.
    """
    address = url if callable(url) else (lambda code: url.replace("{code}", code))
    bounds = levels(max(counts.values(), default=0))
    shapes = [
        _shape(code, place, counts.get(code, 0), bounds, address)
        for code, place in _outlines().items()
    ]
    # Small countries come last, so that none lies below a large one.
    shapes.sort(key=lambda shape: (not shape.path, shape.name))
    present = sorted((shape for shape in shapes if shape.count), key=lambda shape: -shape.count)
    return Map(shapes, dots(cities), _legend(bounds), _description(present))


def _shape(
    code: str,
    place: str | tuple[float, float],
    count: int,
    bounds: list[int],
    address: Callable[[str], str],
) -> Shape:
    name = country(code)
    words = _words(count)
    level = sum(1 for bound in bounds if count >= bound) if count else 0
    url = address(code) if count else ""
    label = f"{name}: {words}"
    if isinstance(place, str):
        return Shape(code, name, count, level, label, url, place, 0, 0)
    return Shape(code, name, count, level, label, url, "", *place)


def _words(count: int) -> str:
    return f"{number(count) if count else 'no'} registered server{'' if count == 1 else 's'}"


def _legend(bounds: list[int]) -> list[tuple[int, str]]:
    legend = [(0, "none")]
    for k, bound in enumerate(bounds):
        top = bounds[k + 1] - 1 if k + 1 < len(bounds) else None
        text = f"{number(bound)} or more" if top is None else f"{number(bound)}–{number(top)}"
        legend.append((k + 1, number(bound) if top == bound else text))
    return legend


def _description(present: list[Shape]) -> str:
    if not present:
        return "No country has a registered server yet."
    most = ", ".join(f"{shape.name} ({number(shape.count)})" for shape in present[:5])
    plural = "country has" if len(present) == 1 else "countries have"
    return f"{len(present)} {plural} registered servers; the most: {most}."


def dots(cities: Iterable[City]) -> list[Dot]:
    """Return circles for cities, their areas as the numbers of servers, the largest first.

    At most 5000 are drawn, those with the most servers.
    """
    kept = sorted((city for city in cities if city.count > 0), key=lambda city: -city.count)
    largest = kept[0].count if kept else 1
    found: list[Dot] = []
    for city in kept[:MAX_DOTS]:
        x, y = project(city.latitude, city.longitude)
        radius = max(SMALLEST_DOT, LARGEST_DOT * math.sqrt(city.count / largest))
        label = f"{city.name}: {_words(city.count)}" if city.name else _words(city.count)
        found.append(Dot(round(x, 1), round(y, 1), round(radius, 1), label))
    return found
