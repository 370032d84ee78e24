"""People: owners, directors, admin contacts (the proposal's 'Mail Server Registration')."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from countersign.registrar.particulars import numbers
from countersign.registrar.particulars.address import Address
from countersign.registrar.particulars.fields import (
    Ask,
    BirthDate,
    Code,
    Country,
    Email,
    Line,
    Name,
    NeededCode,
    Part,
    Phone,
    PhoneThere,
    checks_of,
)
from countersign.registrar.particulars.numbers import SSN_COUNTRIES, NumberKind


class IdentityKind(StrEnum):
    """A document that shows who somebody is."""

    # The values are those of NumberKind.

    DRIVERS_LICENCE = NumberKind.DRIVERS_LICENCE.value
    PASSPORT = NumberKind.PASSPORT.value
    NATIONAL_ID = NumberKind.NATIONAL_ID.value


_IDENTITY_CHOICES = (
    (IdentityKind.DRIVERS_LICENCE.value, "Driver's licence"),
    (IdentityKind.PASSPORT.value, "Passport"),
    (IdentityKind.NATIONAL_ID.value, "National identity card"),
)


class IdentityDocument(Part):
    """The number of a document that shows who somebody is."""

    kind: Annotated[
        IdentityKind,
        Ask(
            "Kind of document",
            "The driver's licence; who has none takes another.",
            kind="choice",
            choices=_IDENTITY_CHOICES,
        ),
    ] = IdentityKind.DRIVERS_LICENCE
    country: Annotated[Country, Ask("Country of issue", kind="country")]
    region: Annotated[
        Line,
        Ask(
            "Issuing state or province",
            "Needed for driver's licences of Australia, Canada and the United States.",
        ),
    ] = Field(default="", validate_default=True)
    number: Annotated[NeededCode, Ask("Document number", "As printed on the document.")]

    @field_validator("region")
    @classmethod
    def _check_region(cls, value: str, info: ValidationInfo) -> str:
        country, kind = info.data.get("country"), info.data.get("kind")
        if checks_of(info).stored or not country:
            return value
        if kind != IdentityKind.DRIVERS_LICENCE:
            return ""
        return numbers.find_state(country, value)

    @field_validator("number")
    @classmethod
    def _check_number(cls, value: str, info: ValidationInfo) -> str:
        country, kind = info.data.get("country"), info.data.get("kind")
        if checks_of(info).stored or not country or not kind:
            return value
        return numbers.check_number(NumberKind(kind), country, value)

    @property
    def issuer(self) -> str:
        """The country, or ``AU-QLD`` where a state issues the document."""
        return f"{self.country}-{self.region.upper()}" if self.region else self.country


class Person(Part):
    """The details of an individual."""

    name: Annotated[Name, Ask("Full name", "As on the identity document.", autocomplete="name")]
    birth_date: Annotated[
        BirthDate, Ask("Date of birth", "Such as 1970-12-31.", "date", autocomplete="bday")
    ]
    address: Annotated[Address, Ask("Home address")]
    phone: Annotated[
        PhoneThere, Ask("Phone number", kind="tel", autocomplete="tel"), Field(min_length=1)
    ]
    fax: Annotated[PhoneThere, Ask("Fax number", kind="tel")] = ""
    identity: Annotated[IdentityDocument, Ask("Identity document")]
    ssn: Annotated[
        Code,
        Ask("US Social Security number", "Needed from people in the United States only."),
    ] = Field(default="", validate_default=True)

    @field_validator("ssn")
    @classmethod
    def _check_ssn(cls, value: str, info: ValidationInfo) -> str:
        address = info.data.get("address")
        if checks_of(info).stored or not isinstance(address, Address):
            return value
        if address.country not in SSN_COUNTRIES:
            if value:
                raise ValueError("Leave this empty: it is asked of people in the US only.")
            return ""
        if not value:
            raise ValueError("Enter the US Social Security number.")
        return numbers.check_number(NumberKind.SSN, address.country, value)


class Owner(Person):
    """An individual who owns a server."""

    email: Annotated[
        Email, Ask("E-mail address", kind="email", autocomplete="email"), Field(min_length=1)
    ]


class Director(Person):
    """A director of a company that owns a server."""

    email: Annotated[Email, Ask("E-mail address", kind="email")] = ""
    key: Annotated[str, Ask("Reference", kind="hidden"), Field(pattern=r"^[0-9a-f]{8}$")] = Field(
        default_factory=lambda: secrets.token_hex(4)
    )
    """Names the director for as long as the application lasts: documents belong to it."""


class AdminContact(Part):
    """Who runs the server."""

    name: Annotated[Name, Ask("Full name")]
    phone: Annotated[Phone, Ask("Phone number", kind="tel"), Field(min_length=1)]
    fax: Annotated[Phone, Ask("Fax number", kind="tel")] = ""
    email: Annotated[Email, Ask("E-mail address", kind="email"), Field(min_length=1)]
    proof: Annotated[
        IdentityKind,
        Ask(
            "Proof of identity",
            "A scan of it is asked for in the step 'Documents'.",
            kind="choice",
            choices=_IDENTITY_CHOICES,
        ),
    ]
