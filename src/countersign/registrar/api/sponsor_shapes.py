"""Shapes of what sponsors and those whom they vouch for see."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from countersign.registrar.api.shapes import Line, Shape, Wanted, example
from countersign.registrar.operations.trust import Vouching
from countersign.storage.database.promises import Sponsorship, SponsorshipState

Asked = Annotated[bool, Query(description="Questions that wait; false: undertakings given.")]


class NewSponsor(Wanted):
    """Whom to ask."""

    model_config = example(hostname="mail.muller.com.au")

    hostname: Annotated[Line, Field(min_length=1)]
    """A server that is trusted: active for a year without an offence."""


class SponsorView(Shape):
    """A sponsor that was asked to vouch for a server."""

    id: int
    hostname: str
    """The sponsor's."""
    state: SponsorshipState
    asked_at: datetime.datetime
    accepted_at: datetime.datetime | None
    notice_at: datetime.datetime | None
    ended_at: datetime.datetime | None

    @classmethod
    def of(cls, one: Vouching) -> SponsorView:
        """Return the view of a row."""
        row = one.sponsorship
        return cls(
            id=row.id,
            hostname=one.sponsor.hostname,
            state=row.state,
            asked_at=row.asked_at,
            accepted_at=row.accepted_at,
            notice_at=row.notice_at,
            ended_at=row.ended_at,
        )


class Sponsors(Shape):
    """Sponsors of a server, in the order in which they were asked."""

    items: list[SponsorView]


class UndertakingView(Shape):
    """What you have promised as a sponsor, or are asked to."""

    id: int
    sponsor: str
    """Your server that vouches."""
    server: str
    """The server that is vouched for."""
    state: SponsorshipState
    share: int
    """What you risk at the most, in the currency's minor unit."""
    currency: str
    asked_at: datetime.datetime
    accepted_at: datetime.datetime | None
    notice_at: datetime.datetime | None

    @classmethod
    def of(cls, row: Sponsorship, sponsor: str, server: str) -> UndertakingView:
        """Return the view of a row."""
        return cls(
            id=row.id,
            sponsor=sponsor,
            server=server,
            state=row.state,
            share=row.share,
            currency=row.currency,
            asked_at=row.asked_at,
            accepted_at=row.accepted_at,
            notice_at=row.notice_at,
        )


class Undertakings(Shape):
    """Undertakings of an owner."""

    items: list[UndertakingView]


class UndertakingText(Shape):
    """The undertaking, filled in."""

    version: str
    sha256: str
    """Of the text in UTF-8; sent back with the acceptance."""
    markdown: str


class Seen(Wanted):
    """Which text was read."""

    version: Annotated[Line, Field(max_length=32)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
