"""Shapes of the registrar's answers (docs/API.md), as far as the gateway reads them.

What is not read here is passed over, so that a newer registrar may say more.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[int, Field(ge=1, lt=2**53)]
Words = Annotated[str, Field(max_length=1000)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Me(_Answer):
    """What our token may do."""

    server: Number | None
    questions_left: int


class OwnServer(_Answer):
    """One of the servers of our token's account."""

    id: Number
    hostname: Words


class ServerPage(_Answer):
    """Some of them."""

    items: Annotated[list[OwnServer], Field(max_length=1000)]
    next: Words | None


class RegisteredUser(_Answer):
    """A privileged user."""

    id: Number
    identifier: Words


class UserPage(_Answer):
    """Some of them, the newest first."""

    items: Annotated[list[RegisteredUser], Field(max_length=1000)]
    next: Words | None


class RegisteredKey(_Answer):
    """A public key of this server."""

    id: Number
    """By which it is revoked."""
    purpose: Words
    """`dkim` or `tls`."""
    selector: Words
    content: Annotated[str, Field(max_length=20_000)]
    registered_at: datetime.datetime


class KeyList(_Answer):
    """The keys in use."""

    items: Annotated[list[RegisteredKey], Field(max_length=1000)]


class OffenderAnswer(_Answer):
    """What the registrar says of somebody."""

    level: Literal["warned", "barred"] | None
    """None: no such offender is known."""
    month: datetime.date | None
    """First day of the month of the last offence."""
    questions_left: int
    """In these 24 hours."""


class Problem(_Answer):
    """Problem details (RFC 9457)."""

    detail: str = ""
