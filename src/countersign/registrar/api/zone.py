"""The API's word on the public zone: what is published, and which name servers have it."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import office_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.problems import answers
from countersign.registrar.api.shapes import Shape
from countersign.registrar.operations.office import NotFoundError
from countersign.registrar.queries.secondaries import public_servers, zone_status
from countersign.registrar.web.access import PUBLIC, declare

router = APIRouter(tags=["Public"], route_class=GuardedRoute)


class ZoneServer(Shape):
    """A public name server of the zone."""

    name: str
    place: str
    is_current: bool | None = Field(description="null: nothing is known of it yet.")
    """Whether it has what is published."""


class Zone(Shape):
    """What is published."""

    zone: str
    """Its name."""
    serial: int
    """Of its SOA record (RFC 1982)."""
    records: int
    published_at: datetime.datetime
    nameservers: list[str]
    """Host names of its NS records."""
    secondaries: list[ZoneServer]


@router.get("/zone", response_model=Zone, responses=answers(304, 404))
@declare(PUBLIC)
def get_zone(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Get what is published now, and which name servers have it. 404: nothing is yet."""
    office = office_of(request)
    with office.reading() as work:
        zone, servers = zone_status(work), public_servers(work)
    if zone is None:
        raise NotFoundError("Nothing has been published yet.")
    return show(
        Zone(
            zone=zone.zone,
            serial=zone.serial,
            records=zone.records,
            published_at=zone.published_at,
            nameservers=list(office.config.publication.nameservers),
            secondaries=[ZoneServer.model_validate(one) for one in servers],
        ),
        if_none_match,
    )
