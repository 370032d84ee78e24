"""What the public directory shows of a server, copied from the particulars as they change."""

from __future__ import annotations

from countersign.registrar.operations.counts import count_place
from countersign.registrar.operations.office import Work
from countersign.registrar.particulars.draft import Particulars
from countersign.registrar.particulars.extracts import PublicPlace, public_place
from countersign.registrar.particulars.server import Directory
from countersign.registrar.particulars.text import fold
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import Server


def copy_public_details(work: Work, server: Server, particulars: Particulars) -> None:
    """Copy what the owner lets everybody see, and keep the directory's figures right."""
    shown = particulars.directory or Directory()
    before = (server.country, server.city, server.takes_customers)
    place = public_place(particulars)
    after = (
        place.country if place else "",
        place.city if place else "",
        shown.listed and shown.takes_customers,
    )
    is_moved = server.state is State.ACTIVE and before != after
    if is_moved:
        count_place(work, server, -1)
    _copy_place(server, place)
    _copy_directory(server, shown)
    if is_moved:
        count_place(work, server, 1)


def _copy_place(server: Server, place: PublicPlace | None) -> None:
    if place is None:
        server.country = server.region = server.city = ""
        server.latitude = server.longitude = None
        return
    server.country, server.region, server.city = place.country, place.region.code, place.city
    server.latitude, server.longitude = place.latitude, place.longitude


def _copy_directory(server: Server, shown: Directory) -> None:
    listed = shown.listed
    server.display_name = shown.name if listed else ""
    # Without a name of its own it stands in the directory under its host name.
    server.display_key = fold(server.display_name or server.hostname)[:255]
    server.takes_customers = listed and shown.takes_customers
    server.public_email = shown.email if listed else ""
    server.public_phone = shown.phone if listed else ""
    server.website = shown.website if listed else ""
