"""What screening, mail and the public directory need of the particulars, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from countersign.registrar.particulars import places
from countersign.registrar.particulars.company import Company
from countersign.registrar.particulars.draft import Particulars
from countersign.registrar.particulars.numbers import NumberKind, check_number, normalise_number
from countersign.registrar.particulars.person import Person


class IdentityNumber(NamedTuple):
    """A number in the form that is hashed and compared with those of offenders."""

    kind: str
    """A :class:`NumberKind`."""
    country: str
    """ISO 3166-1, or ``AU-QLD`` where a state issued the document."""
    number: str


class KnownAs(NamedTuple):
    """What somebody can be recognised by without a number."""

    name: str
    birth_date: date | None
    address: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A person or company to be screened."""

    role: str
    """``owner``, ``company``, ``director-1``, …, ``admin-contact``."""
    name: str
    birth_date: date | None
    address: str
    numbers: tuple[IdentityNumber, ...]


@dataclass(frozen=True, slots=True)
class PublicPlace:
    """Where a server stands, as the public directory tells it."""

    region: places.Region
    country: str
    city: str
    latitude: float | None
    longitude: float | None
    """Of the city; degrees."""


def subjects(particulars: Particulars) -> list[Subject]:
    """Return everybody whom an application names, with what they are screened by."""
    found: list[Subject] = []
    if particulars.owner is not None:
        found.append(_person("owner", particulars.owner))
    if particulars.company is not None:
        company = particulars.company
        numbers = _company_numbers(company)
        found.append(Subject("company", company.name, None, company.address.text(), numbers))
    if particulars.directors is not None:
        for position, director in enumerate(particulars.directors.directors, 1):
            found.append(_person(f"director-{position}", director))
    if particulars.admin_contact is not None:
        found.append(Subject("admin-contact", particulars.admin_contact.name, None, "", ()))
    return found


def identity_numbers(particulars: Particulars) -> list[IdentityNumber]:
    """Return every identity number in an application, each once."""
    every = (number for subject in subjects(particulars) for number in subject.numbers)
    return list(dict.fromkeys(every))


def people(particulars: Particulars) -> list[KnownAs]:
    """Return name, birth date and address of everybody in an application, companies too."""
    return [
        KnownAs(subject.name, subject.birth_date, subject.address)
        for subject in subjects(particulars)
    ]


def email_addresses(particulars: Particulars) -> list[str]:
    """Return the addresses that must be confirmed: the owner's or company's, the admin contact's.

    Each once, the owner's first.
    """
    parts = (particulars.owner, particulars.company, particulars.admin_contact)
    return list(dict.fromkeys(part.email for part in parts if part is not None))


def public_place(particulars: Particulars) -> PublicPlace | None:
    """Return where the server stands, as the public directory tells it."""
    if particulars.location is None:
        return None
    address, city = particulars.location.address, particulars.location.city
    return PublicPlace(
        places.region_of(address.country),
        address.country,
        city.name if city else address.locality,
        city.latitude if city else None,
        city.longitude if city else None,
    )


def _person(role: str, person: Person) -> Subject:
    document = person.identity
    numbers = [_number(document.kind.value, document.issuer, document.number)]
    if person.ssn:
        # One register for all of the United States and its territories.
        numbers.append(_number(NumberKind.SSN, "US", person.ssn))
    return Subject(role, person.name, person.birth_date, person.address.text(), tuple(numbers))


def _company_numbers(company: Company) -> tuple[IdentityNumber, ...]:
    registration = company.registration
    given = {
        NumberKind.ACN: registration.acn or _acn_within(registration.abn),
        NumberKind.ABN: registration.abn,
        NumberKind.COMPANY: registration.number,
    }
    return tuple(
        _number(kind, registration.country, number) for kind, number in given.items() if number
    )


def _acn_within(abn: str) -> str:
    """Return the ACN that a company's ABN ends with; empty if its check digit tells otherwise."""
    try:
        return check_number(NumberKind.ACN, "AU", abn[2:]) if abn else ""
    except ValueError:
        return ""


def _number(kind: str, country: str, number: str) -> IdentityNumber:
    return IdentityNumber(str(kind), country, normalise_number(kind, country, number))
