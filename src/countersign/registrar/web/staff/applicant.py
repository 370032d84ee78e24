"""An application as a screener reads it: each person with particulars, scans and matches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from countersign.registrar.operations.documents_of import label_of
from countersign.registrar.particulars.company import Company
from countersign.registrar.particulars.contact import show_phone
from countersign.registrar.particulars.draft import Particulars
from countersign.registrar.particulars.person import AdminContact, Director, IdentityDocument, Owner
from countersign.registrar.web.filters import country
from countersign.storage.database.servers import Document
from countersign.web.filters import date, wording

Pairs = list[tuple[str, object]]
NUMBER_WORDS = {
    "drivers-licence": "Driver's licence",
    "passport": "Passport",
    "national-id": "National identity card",
    "ssn": "US Social Security number",
    "acn": "ACN",
    "abn": "ABN",
    "company": "Registered business number",
}
"""What kinds of identity number are called."""


@dataclass(frozen=True, slots=True)
class Match:
    """An offender whom somebody in the application may be, as the screening kept it."""

    number: int
    """Which of the screening's matches it is, from 0."""
    subject: str
    """As `particulars.extracts.subjects` names people: directors by their position."""
    who: str
    offender: int
    level: str
    score: int
    exact: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A person or company of the application, or the server itself."""

    subject: str
    """Whose scans they are: directors by their key."""
    role: str
    """As the screening names them: directors by their position."""
    title: str
    name: str
    pairs: Pairs
    scans: list[Document] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)


def members_of(
    particulars: Particulars, scans: Iterable[Document], matches: Sequence[Match]
) -> list[Member]:
    """Return everybody in an application, with what belongs to each."""
    by_subject: dict[str, list[Document]] = {}
    for scan in scans:
        by_subject.setdefault(scan.subject, []).append(scan)
    found = list(_members(particulars))
    for one in found:
        one.scans.extend(by_subject.get(one.subject, ()))
        one.matches.extend(match for match in matches if match.subject == one.role)
    return found


def _members(particulars: Particulars) -> Iterator[Member]:
    if particulars.owner is not None:
        owner = particulars.owner
        yield Member("owner", "owner", "Owner", owner.name, _of_person(owner))
    if particulars.company is not None:
        company = particulars.company
        yield Member("company", "company", "Company", company.name, _of_company(company))
    if particulars.directors is not None:
        for position, one in enumerate(particulars.directors.directors, 1):
            subject, role = f"director-{one.key}", f"director-{position}"
            yield Member(subject, role, f"Director {position}", one.name, _of_person(one))
    if particulars.admin_contact is not None:
        contact = particulars.admin_contact
        yield Member("admin-contact", "admin-contact", "Admin contact", contact.name, [
            *_reached_at(contact),
            ("Proof of identity", NUMBER_WORDS[contact.proof]),
        ])  # fmt: skip


def server_pairs(particulars: Particulars) -> Pairs:
    """Return where the server stands, and what the directory is to show of it."""
    pairs: Pairs = []
    if particulars.location is not None:
        city = particulars.location.city
        pairs += [
            ("Stands at", particulars.location.address.text()),
            ("City on the map", f"{city.name}, {country(city.country)}" if city else ""),
        ]
    if particulars.directory is not None:
        shown = particulars.directory
        public = (shown.name, shown.email, shown.phone, shown.website)
        pairs += [
            ("In the directory", ", ".join(filter(None, public)) if shown.listed else "Not shown"),
            ("Takes customers", "Yes" if shown.takes_customers else "No"),
        ]
    return pairs


def matches_of(stored: Sequence[Any]) -> list[Match]:
    """Return the matches of a screening record."""
    return [
        Match(
            number,
            str(one["subject"]),
            who_of(str(one["subject"])),
            int(one["offender"]),
            str(one["level"]),
            int(one["score"]),
            bool(one["exact"]),
            tuple(map(str, one["reasons"])),
        )
        for number, one in enumerate(stored)
    ]


def who_of(subject: str) -> str:
    """Return what a subject of a screening is called."""
    return wording(subject)


def scan_label(scan: Document) -> str:
    """Return what a scan is of."""
    return label_of(scan.kind)


def _of_person(person: Owner | Director) -> Pairs:
    pairs: Pairs = [
        ("Name", person.name),
        ("Born", date(person.birth_date)),
        ("Address", person.address.text()),
        *_identity(person.identity),
    ]
    if person.ssn:
        pairs.append((NUMBER_WORDS["ssn"], person.ssn))
    return pairs + _reached_at(person)


def _of_company(company: Company) -> Pairs:
    registration = company.registration
    numbers = (
        (NUMBER_WORDS["acn"], registration.acn),
        (NUMBER_WORDS["abn"], registration.abn),
        (NUMBER_WORDS["company"], registration.number),
    )
    return [
        ("Name", company.name),
        ("Registered in", country(registration.country)),
        *((label, number) for label, number in numbers if number),
        ("Place of business", company.address.text()),
        *_reached_at(company),
    ]


def _reached_at(who: Owner | Director | Company | AdminContact) -> Pairs:
    phone, fax = show_phone(who.phone), show_phone(who.fax)
    pairs: Pairs = [("Phone", phone), ("Fax", fax), ("E-mail", who.email)]
    return [(label, value) for label, value in pairs if value]


def _identity(document: IdentityDocument) -> Pairs:
    place = country(document.country) + (f", {document.region}" if document.region else "")
    return [(NUMBER_WORDS[document.kind], f"{document.number} ({place})")]
