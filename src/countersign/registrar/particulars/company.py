"""Companies that own servers (the proposal's 'Mail Server Registration')."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from countersign.registrar.particulars import numbers
from countersign.registrar.particulars.address import Address
from countersign.registrar.particulars.fields import (
    Ask,
    Code,
    Country,
    Email,
    Name,
    Part,
    PhoneThere,
    checks_of,
)
from countersign.registrar.particulars.numbers import NumberKind
from countersign.registrar.particulars.person import Director

MAX_DIRECTORS = 50


class Registration(Part):
    """The numbers that a company is registered under."""

    country: Annotated[Country, Ask("Country of registration", kind="country")]
    acn: Annotated[Code, Ask("ACN", "Australian companies: 9 digits.")] = ""
    abn: Annotated[Code, Ask("ABN", "Australian businesses: 11 digits.")] = Field(
        default="", validate_default=True
    )
    number: Annotated[
        Code,
        Ask(
            "Registered business number",
            "Outside Australia: as on the certificate of incorporation or registration.",
        ),
    ] = Field(default="", validate_default=True)

    @field_validator("acn", "abn", "number")
    @classmethod
    def _check_number(cls, value: str, info: ValidationInfo) -> str:
        country = info.data.get("country")
        if checks_of(info).stored or not country:
            return value
        is_australian, is_for_australia = country == "AU", info.field_name != "number"
        if is_australian != is_for_australia:
            if value:
                raise ValueError("Leave this empty for a company registered in this country.")
            return ""
        if not value:
            return cls._absent(info)
        kind = NumberKind(str(info.field_name)) if is_australian else NumberKind.COMPANY
        return numbers.check_number(kind, country, value)

    @staticmethod
    def _absent(info: ValidationInfo) -> str:
        if info.field_name == "number":
            raise ValueError("Enter the registered business number.")
        if info.field_name == "abn" and info.data.get("acn") == "":
            raise ValueError("Enter the ACN or the ABN.")
        return ""


class Company(Part):
    """A business that owns a server."""

    name: Annotated[Name, Ask("Registered name", autocomplete="organization")]
    registration: Annotated[Registration, Ask("Registration")]
    address: Annotated[Address, Ask("Principal place of business")]
    phone: Annotated[
        PhoneThere, Ask("Phone number", kind="tel", autocomplete="tel"), Field(min_length=1)
    ]
    fax: Annotated[PhoneThere, Ask("Fax number", kind="tel")] = ""
    email: Annotated[
        Email,
        Ask("Contact e-mail address", kind="email", autocomplete="email"),
        Field(min_length=1),
    ]


class Directors(Part):
    """All directors of a company."""

    directors: Annotated[
        tuple[Director, ...], Ask("Director"), Field(min_length=1, max_length=MAX_DIRECTORS)
    ]

    @field_validator("directors")
    @classmethod
    def _check_keys(cls, value: tuple[Director, ...]) -> tuple[Director, ...]:
        if len({director.key for director in value}) < len(value):
            raise ValueError("Give each director another reference, or none.")
        return value
