"""Shapes of what owners' programs see of their servers."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from countersign.registrar.api.shapes import Line, Lines, Shape, Wanted, example
from countersign.rules.life_cycle import State, next_step
from countersign.storage.database.servers import ApplicantKind, Server


class NewServer(Wanted):
    """Begin an application."""

    model_config = example(hostname="mail.muller.com.au", kind="individual")

    hostname: Annotated[Line, Field(min_length=1)]
    """The server's name in the DNS."""
    kind: ApplicantKind
    owner_email: Line = ""
    """For agents: for whom it is; whoever has no account is invited."""
    owner_name: Line = ""


class ServerView(Shape):
    """A server under application or registered."""

    id: int
    hostname: str
    state: State
    state_since: datetime.datetime
    version: int
    """Grows with every change."""
    kind: ApplicantKind
    display_name: str
    country: str
    city: str
    created_at: datetime.datetime
    submitted_at: datetime.datetime | None
    active_since: datetime.date | None
    bond_due: int
    """In the currency's minor unit."""
    bond_currency: str
    bond_reasons: list[str]
    fee_paid_until: datetime.date | None
    offer_ends_on: datetime.date | None
    public_reason: str
    remedy: str
    next_step: str
    """What the owner has to do next, in words."""

    @classmethod
    def of(cls, server: Server) -> ServerView:
        """Return the view of a row."""
        values = {name: getattr(server, name) for name in cls.model_fields if name != "next_step"}
        return cls(**values, next_step=next_step(server.state))


class Servers(Shape):
    """A page of servers."""

    items: list[ServerView]
    next: str | None
    """Value of `cursor` for the next page; null: this is the last."""


class EventView(Shape):
    """One thing that happened to a server."""

    id: int
    at: datetime.datetime
    role: str
    """In which role somebody acted; 'system': the registrar itself."""
    action: str
    from_state: State | None
    to_state: State | None
    reason: str
    public_text: str


class Events(Shape):
    """A page of events, the latest first."""

    items: list[EventView]
    next: str | None


class Contact(StrEnum):
    """A contact of an application whose e-mail address is to be confirmed."""

    ACCOUNT = "account"
    OWNER = "owner"
    ADMIN = "admin"


class MissingView(Shape):
    """Something that keeps an application from being submitted."""

    step: str
    field: str
    text: str


class Progress(Shape):
    """What is missing from an application."""

    missing: list[MissingView]
    unconfirmed: list[Contact]
    """Contacts whose e-mail address is not confirmed yet."""


class StepView(Shape):
    """A step of an application as it is saved."""

    step: str
    values: dict[str, str]
    """Flat: names of fields as in the form."""
    schema_: dict[str, Any] = Field(alias="schema", default_factory=dict)
    """JSON schema (2020-12) of what may be sent."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class DocumentView(Shape):
    """What is known of a scan."""

    id: int
    kind: str
    subject: str
    content_type: str
    size: int
    sha256: str
    pages: int
    uploaded_at: datetime.datetime


class Documents(Shape):
    """The scans of an application."""

    items: list[DocumentView]


class Reasoned(Wanted):
    """Why something is done."""

    model_config = example(reason="The domain has been sold.")

    reason: Lines = ""
