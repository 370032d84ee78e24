"""Kinds of field: how each is asked for, cleaned and checked.

Checks depend on the settings and the date: :class:`Checks`, pydantic's validation context.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import CoreSchema

from countersign.registrar.particulars import contact, host, places
from countersign.registrar.particulars.text import clean_text

OLDEST = 120
"""Years."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checks:
    """What checks depend on besides the value."""

    today: date | None = None
    """None: dates are not compared with it."""
    allow_reserved: bool = False
    """Names that are not in the public DNS (``.example``) will do, as in the demo."""
    country: str = ""
    """Where telephone numbers without country code are, if nothing nearer says it."""
    minimum_age: int = 18
    """Years; who is younger cannot be held to the contract."""
    stored: bool = False
    """The value was checked when it was stored, and must be readable for ever: a library that
    learns new rules, such as of telephone numbers, must not make old data unreadable."""


STORED = Checks(allow_reserved=True, stored=True)


@dataclass(frozen=True, slots=True)
class Ask:
    """How a field is asked for; becomes title and description in its JSON schema."""

    label: str
    hint: str = ""
    kind: str = "text"
    """``text``, ``tel``, ``email``, ``url``, ``date``, ``checkbox``, ``country``, ``choice`` or
    ``hidden``."""
    autocomplete: str = ""
    """A token of HTML's autofill (WHATWG HTML, 'autofill')."""
    choices: tuple[tuple[str, str], ...] = ()
    """Value and label."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described = dict(handler(schema))
        described["title"] = self.label
        if self.hint:
            described["description"] = self.hint
        return described


class Part(BaseModel):
    """A part of the particulars."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Check = Callable[[str, ValidationInfo, Checks], str]


def checks_of(info: ValidationInfo) -> Checks:
    """Return the checks that a validation is made with; strict ones if none were given."""
    return info.context if isinstance(info.context, Checks) else Checks()


def checked(check: Check) -> AfterValidator:
    """Return the validator that makes a check, save on what was stored before."""

    def validate(value: str, info: ValidationInfo) -> str:
        checks = checks_of(info)
        return value if checks.stored else check(value, info, checks)

    return AfterValidator(validate)


def _clean(value: object) -> object:
    # Anything else but text is left to the type behind this, which refuses it.
    return clean_text(value) if isinstance(value, str) else value


def _with_letter(text: str, _info: ValidationInfo, _checks: Checks) -> str:
    if text and not any(char.isalpha() for char in text):
        raise ValueError("Use letters as well.")
    return text


def _country(text: str, _info: ValidationInfo, _checks: Checks) -> str:
    return places.check_country(text)


def _email(text: str, _info: ValidationInfo, checks: Checks) -> str:
    return contact.normalise_email(text, allow_reserved=checks.allow_reserved) if text else ""


def _website(text: str, _info: ValidationInfo, checks: Checks) -> str:
    return contact.normalise_website(text, allow_reserved=checks.allow_reserved) if text else ""


def _hostname(text: str, _info: ValidationInfo, checks: Checks) -> str:
    return host.normalise_registrable(text, allow_reserved=checks.allow_reserved)


def _phone(text: str, _info: ValidationInfo, checks: Checks) -> str:
    return contact.normalise_phone(text, checks.country) if text else ""


def _phone_beside_address(text: str, info: ValidationInfo, checks: Checks) -> str:
    address = info.data.get("address")
    # An address with a fault leaves the country open, and the number for the next attempt.
    return contact.normalise_phone(text, address.country) if text and address else text


def _read_date(value: object) -> object:
    if type(value) is date:
        return value
    text = clean_text(value) if isinstance(value, str) else ""
    try:
        # The library alone would let 19701231 and 1970-W53-4 pass, too.
        return date.fromisoformat(text if _DATE.match(text) else "")
    except ValueError:
        raise ValueError("Write the date as year-month-day, such as 1970-12-31.") from None


def _birth_date(value: date, info: ValidationInfo) -> date:
    checks = checks_of(info)
    if checks.stored or checks.today is None:
        return value
    today = checks.today
    age = today.year - value.year - ((today.month, today.day) < (value.month, value.day))
    if value > today:
        raise ValueError("Check the year: this date is still to come.")
    if age >= OLDEST:
        raise ValueError(f"Check the year: this is {OLDEST} years ago or more.")
    if age < checks.minimum_age:
        raise ValueError(f"Name somebody who is {checks.minimum_age} years old or more.")
    return value


_Cleaned = BeforeValidator(_clean)

Line = Annotated[str, StringConstraints(max_length=120), _Cleaned]
NeededLine = Annotated[str, StringConstraints(min_length=1, max_length=120), _Cleaned]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=120), checked(_with_letter), _Cleaned
]
Code = Annotated[str, StringConstraints(max_length=40), _Cleaned]
NeededCode = Annotated[str, StringConstraints(min_length=1, max_length=40), _Cleaned]
Country = Annotated[str, StringConstraints(min_length=2, max_length=2), checked(_country), _Cleaned]
Phone = Annotated[str, StringConstraints(max_length=contact.MAX_PHONE), checked(_phone), _Cleaned]
"""A telephone number where no address is near; may be empty."""
PhoneThere = Annotated[
    str, StringConstraints(max_length=contact.MAX_PHONE), checked(_phone_beside_address), _Cleaned
]
"""A telephone number in a part that has an address before it; may be empty."""
Email = Annotated[str, StringConstraints(max_length=contact.MAX_EMAIL), checked(_email), _Cleaned]
"""An e-mail address; may be empty."""
Website = Annotated[
    str, StringConstraints(max_length=contact.MAX_WEBSITE), checked(_website), _Cleaned
]
"""A website's URL; may be empty."""
HostName = Annotated[
    str, StringConstraints(min_length=1, max_length=255), checked(_hostname), _Cleaned
]
BirthDate = Annotated[date, AfterValidator(_birth_date), BeforeValidator(_read_date)]
