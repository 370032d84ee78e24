"""A decision is traced to the version of the zone that published it."""

from __future__ import annotations

import shutil

from sqlalchemy import delete, select

from countersign.registrar.operations.office import Office
from countersign.registrar.operations.transitions import move
from countersign.registrar.publishing.copies import zone_directory
from countersign.registrar.publishing.publisher import ensure_published, publish
from countersign.registrar.queries.publications import Publication, publication_of
from countersign.rules.life_cycle import Action
from countersign.rules.roles import Role
from countersign.storage.database.publication import Listing, ZoneChange, ZoneVersion
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.operations import life
from tests.registrar.publishing.making import add_server, change
from tests.registrar.web.visitors import Site


def traced(office: Office, server_id: int) -> list[tuple[Listing, Publication | None]]:
    """Return each change of a server's listing, and what published it."""
    with office.reading() as work:
        changes = work.session.scalars(
            select(ZoneChange).where(ZoneChange.server_id == server_id).order_by(ZoneChange.id)
        )
        return [(one.listing, publication_of(work, one)) for one in changes]


def suspend(office: Office, server_id: int, reason: str = "Spam was sent.") -> None:
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        move(work, server, Action.SUSPEND, adjudicator, reason=reason)


def test_each_decision_is_found_in_the_version_that_shows_it(office: Office, clock: Clock) -> None:
    ensure_published(office)
    server = life.make_active(office)
    clock.advance(seconds=3)
    [first] = publish(office)
    at = clock.now
    other = add_server(office, "other.example.org")
    change(office, other, public_reason="")
    clock.advance(minutes=10)
    publish(office)
    suspend(office, server, "Spam; a lot\nof it.")
    clock.advance(seconds=3)
    [second] = publish(office)
    assert traced(office, server) == [
        (Listing.REGISTERED, Publication(first, at, is_whole=False)),
        (Listing.SUSPENDED, Publication(second, clock.now, is_whole=False)),
    ]


def test_what_waits_to_be_published_is_in_no_version(office: Office) -> None:
    ensure_published(office)
    server = life.make_active(office)
    assert traced(office, server) == [(Listing.REGISTERED, None)]


def test_a_decision_that_another_one_overtook_was_never_published(
    office: Office, clock: Clock
) -> None:
    ensure_published(office)
    server = life.make_active(office)
    clock.advance(minutes=5)
    suspend(office, server)
    [serial] = publish(office)
    registered, suspended = traced(office, server)
    assert registered == (Listing.REGISTERED, None)
    assert suspended == (Listing.SUSPENDED, Publication(serial, clock.now, is_whole=False))


def test_a_zone_made_anew_is_the_first_that_has_it(office: Office, clock: Clock) -> None:
    server = life.make_active(office)
    clock.advance(seconds=1)
    ensure_published(office)
    with office.reading() as work:
        [serial] = work.session.scalars(select(ZoneVersion.serial))
    whole = Publication(serial, clock.now, is_whole=True)
    assert traced(office, server) == [(Listing.REGISTERED, whole)]


def test_nothing_is_said_of_what_is_older_than_the_journal(office: Office, clock: Clock) -> None:
    server = life.make_active(office)
    ensure_published(office)
    clock.advance(days=3)
    change(office, add_server(office, "other.example.org"), public_reason="")
    publish(office)
    shutil.rmtree(zone_directory(office.config))
    change(office, add_server(office, "another.example.org"), public_reason="")
    publish(office)
    with office.work() as work:
        first = work.session.scalars(select(ZoneVersion.id).order_by(ZoneVersion.id)).first()
        work.session.execute(delete(ZoneVersion).where(ZoneVersion.id == first))
    assert traced(office, server) == [(Listing.REGISTERED, None)]


def test_the_page_of_a_server_names_the_serial(office: Office) -> None:
    ensure_published(office)
    server = life.make_active(office)
    visitor = Site(office).visitor(Role.ADJUDICATOR)
    path = f"/staff/servers/{server}"
    assert "No version of the journal shows it" in visitor.get(path).text
    [serial] = publish(office)
    assert str(serial) in visitor.get(path).text
