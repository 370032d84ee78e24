"""Names of organisations and people, and where they are: made up, the same for the same seed."""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from faker import Faker

from countersign.registrar.particulars.places import City, all_cities, region_of

_LOCALES = (
    "en_US",
    "en_GB",
    "en_AU",
    "de_DE",
    "fr_FR",
    "es_ES",
    "it_IT",
    "nl_NL",
    "pl_PL",
    "pt_BR",
)
_POOL = 400
_TRADES = ("Mail", "Hosting", "Networks", "Internet", "Systems", "Data", "Telecom", "Online")
_DOMAINS = ("mail", "smtp", "mx", "mx1", "out", "relay", "post")


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who owns a server."""

    name: str
    contact: str
    """The name of the person who acts for it."""
    domain: str
    """Under .example, which nobody can register (RFC 2606)."""
    hostname: str
    city: City
    region: str
    takes_customers: bool
    is_business: bool


class Casting:
    """Gives organisations without end, none twice."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - believable, not secret
        makers = [Faker(locale) for locale in _LOCALES]
        for number, maker in enumerate(makers):
            maker.seed_instance(seed + number)
        self._companies = [maker.company() for maker in makers for _ in range(_POOL)]
        self._people = [maker.name() for maker in makers for _ in range(_POOL)]
        self._cities = all_cities()
        self._weights = list(itertools.accumulate(city.population**0.8 for city in self._cities))

    def organisations(self) -> Iterator[Organisation]:
        """Return one organisation after the other."""
        for number in itertools.count(1):
            yield self._organisation(number)

    def _organisation(self, number: int) -> Organisation:
        draw = self._random
        city = draw.choices(self._cities, cum_weights=self._weights)[0]
        is_business = draw.random() < 0.85
        contact = draw.choice(self._people)
        takes_customers = is_business and draw.random() < 0.3
        base = draw.choice(self._companies) if is_business else contact
        name = f"{base} {draw.choice(_TRADES)}" if takes_customers else base
        domain = f"{_label(base)}-{number}.example"
        return Organisation(
            name,
            contact,
            domain,
            f"{draw.choice(_DOMAINS)}.{domain}",
            city,
            region_of(city.country).code,
            takes_customers,
            is_business,
        )


def _label(text: str) -> str:
    """Return a text as the label of a domain name (RFC 1123 §2.1)."""
    folded = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    words = "".join(char if char.isalnum() else " " for char in folded).split()
    return "-".join(words)[:40].strip("-") or "host"
