"""Changes of the public zone: its journal, written with the decision behind them (DESIGN §7)."""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.operations.office import Work
from countersign.storage.database.publication import Listing, ZoneChange
from countersign.storage.database.servers import Server, ServerEvent


def list_server(work: Work, server: Server, event: ServerEvent, listing: Listing) -> None:
    """Publish how a server now stands; says nothing if the zone says so already."""
    if current_listing(work, server.hostname) is listing is not Listing.SUSPENDED:
        return
    work.session.add(
        ZoneChange(
            at=work.now,
            server_id=server.id,
            hostname=server.hostname,
            listing=listing,
            text=server.public_reason if listing is Listing.SUSPENDED else "",
            event_id=event.id,
        )
    )
    order_publication(work, server, event)
    if listing is Listing.REGISTERED:
        work.order("address", {"server": server.id}, unique_key=f"address:{event.id}")


def order_publication(work: Work, server: Server, event: ServerEvent) -> None:
    """Order that all which the zone says of a server be brought up to date."""
    what = {"hosts": [server.hostname], "addresses": []}
    work.order("publish", what, unique_key=f"publish:{event.id}")


def current_listing(work: Work, hostname: str) -> Listing:
    """Return how the zone names a host now."""
    last = work.session.scalar(
        select(ZoneChange.listing)
        .where(ZoneChange.hostname == hostname)
        .order_by(ZoneChange.id.desc())
        .limit(1)
    )
    return last or Listing.ABSENT
