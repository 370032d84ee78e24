"""Postal addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from countersign.registrar.particulars import numbers, places
from countersign.registrar.particulars.fields import (
    Ask,
    Code,
    Country,
    Line,
    Name,
    NeededLine,
    Part,
    checks_of,
)


class Address(Part):
    """A postal address; the country comes first because the rest depends on it."""

    country: Annotated[Country, Ask("Country", kind="country", autocomplete="country")]
    line1: Annotated[NeededLine, Ask("Street and number", autocomplete="address-line1")]
    line2: Annotated[Line, Ask("Second line", autocomplete="address-line2")] = ""
    line3: Annotated[Line, Ask("Third line", autocomplete="address-line3")] = ""
    locality: Annotated[Name, Ask("Town or city", autocomplete="address-level2")]
    region: Annotated[
        Line,
        Ask(
            "State, province or county",
            "Needed in Australia, Canada and the United States.",
            autocomplete="address-level1",
        ),
    ] = Field(default="", validate_default=True)
    postal_code: Annotated[
        Code,
        Ask("Postal code", "Needed where the country has them.", autocomplete="postal-code"),
    ] = Field(default="", validate_default=True)

    @field_validator("region")
    @classmethod
    def _check_region(cls, value: str, info: ValidationInfo) -> str:
        country = info.data.get("country")
        return (
            value if checks_of(info).stored or not country else numbers.find_state(country, value)
        )

    @field_validator("postal_code")
    @classmethod
    def _check_postal_code(cls, value: str, info: ValidationInfo) -> str:
        country = info.data.get("country")
        if checks_of(info).stored or not country:
            return value
        return places.normalise_postal_code(value, country)

    def text(self) -> str:
        """Return the address on one line."""
        town = " ".join(part for part in (self.locality, self.region, self.postal_code) if part)
        parts = (self.line1, self.line2, self.line3, town, places.country_name(self.country))
        return ", ".join(part for part in parts if part)
