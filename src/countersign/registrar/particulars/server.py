"""The server itself: its name, where it stands, what the public directory shows of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from countersign.registrar.particulars import places
from countersign.registrar.particulars.address import Address
from countersign.registrar.particulars.fields import (
    Ask,
    Email,
    HostName,
    Line,
    Part,
    Phone,
    Website,
    checks_of,
)


class OwnerKind(StrEnum):
    """Who owns a server."""

    INDIVIDUAL = "individual"
    BUSINESS = "business"


_OWNER_CHOICES = (
    (OwnerKind.INDIVIDUAL.value, "A person"),
    (OwnerKind.BUSINESS.value, "A company or other organisation"),
)


class Host(Part):
    """The server, and who owns it."""

    hostname: Annotated[
        HostName,
        Ask(
            "Host name",
            "The full name with which the server says EHLO, such as mail.example.com. It must "
            "have an address in the DNS.",
        ),
    ]
    kind: Annotated[OwnerKind, Ask("Who owns it?", kind="choice", choices=_OWNER_CHOICES)]


class Location(Part):
    """Where the server stands."""

    address: Annotated[Address, Ask("Address of the server")]
    city_id: Annotated[
        int | None, Ask("City", "Its number at GeoNames.", kind="hidden"), Field(ge=1, le=2**31)
    ] = Field(default=None, validate_default=True)
    """The nearest city that is on the map; found by its name unless it is given."""

    @field_validator("city_id")
    @classmethod
    def _find_city(cls, value: int | None, info: ValidationInfo) -> int | None:
        address = info.data.get("address")
        if checks_of(info).stored or not isinstance(address, Address):
            return value
        city = places.city_by_id(value) if value else None
        if city is None or city.country != address.country:
            city = places.find_city(address.locality, address.country, address.region)
        return city.id if city else None

    @property
    def city(self) -> places.City | None:
        """The city on the map, with its coordinates."""
        return places.city_by_id(self.city_id) if self.city_id else None


class Directory(Part):
    """What the public directory of servers shows, with the owner's consent."""

    listed: Annotated[
        bool,
        Ask(
            "Show these details in the public directory",
            "Host name, state, country and city are public in any case.",
            kind="checkbox",
        ),
    ] = False
    name: Annotated[
        Line,
        Ask("Name to show", "Of the organisation, or yours. Needed if the details are shown."),
    ] = Field(default="", validate_default=True)
    takes_customers: Annotated[
        bool, Ask("This is an Internet provider that takes customers", kind="checkbox")
    ] = False
    email: Annotated[Email, Ask("Public e-mail address", kind="email")] = ""
    phone: Annotated[Phone, Ask("Public phone number", kind="tel")] = ""
    website: Annotated[Website, Ask("Website", "Such as https://www.example.com.", "url")] = ""

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("listed") and not checks_of(info).stored:
            raise ValueError("Enter the name to show, or do not show the details.")
        return value
