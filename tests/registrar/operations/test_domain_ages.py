"""The age of a domain: as the registry tells it, or as a screener reads it off a paper."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import select

from countersign.registrar.domain_age import CouldNotTell, Found, NotFound, Outcome, RegistryEvent
from countersign.registrar.operations import domain_ages, screenings
from countersign.registrar.operations.documents_of import DOMAIN, DOMAIN_AGE, attach
from countersign.registrar.operations.domain_ages import record_finding, record_manual
from countersign.registrar.operations.office import ForbiddenError, Office, OperationError
from countersign.rules.roles import Role
from countersign.storage.database.screening import DomainAgeRecord
from countersign.storage.database.servers import Server, ServerEvent
from tests.registrar.operations import life

OLD, YOUNG = datetime.date(2015, 6, 1), datetime.date(2026, 1, 10)
SOURCE = "https://rdap.example/domain/muller.com.au"


def record(office: Office, server_id: int, outcome: Outcome) -> DomainAgeRecord | None:
    with office.work() as work:
        return record_finding(work, work.session.get_one(Server, server_id), outcome)


def server_of(office: Office, server_id: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, server_id)


def paper(office: Office, server_id: int) -> int:
    screener = life.staff(office, Role.SCREENER)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        return attach(
            work, screener, server, kind=DOMAIN_AGE, subject=DOMAIN, upload=life.a_scan(17)
        ).id


def enter(
    office: Office, server_id: int, day: datetime.date, document: int, role: Role = Role.SCREENER
) -> DomainAgeRecord:
    actor = life.staff(office, role)
    with office.work() as work:
        return record_manual(
            work,
            actor,
            work.session.get_one(Server, server_id),
            registered_on=day,
            document_id=document,
            note="Invoice of the domain's registrar.",
        )


def test_what_the_registry_says_is_kept_with_its_evidence(office: Office) -> None:
    server_id = life.make_submitted(office)
    events = (RegistryEvent("registration", "2015-06-01T00:00:00Z"),)
    stored = record(office, server_id, Found("muller.com.au", OLD, SOURCE, events))
    assert stored is not None
    assert (stored.source, stored.registered_on) == (SOURCE, OLD)
    assert stored.evidence["events"] == [{"action": "registration", "date": "2015-06-01T00:00:00Z"}]
    server = server_of(office, server_id)
    assert (server.domain, server.domain_registered_on) == ("muller.com.au", OLD)


@pytest.mark.parametrize(
    "outcome", [NotFound("muller.com.au", SOURCE), CouldNotTell("rdap.example answered 500")]
)
def test_an_age_that_cannot_be_told_is_on_record_and_left_open(
    office: Office, outcome: Outcome
) -> None:
    server_id = life.make_submitted(office)
    stored = record(office, server_id, outcome)
    assert stored is not None
    assert stored.registered_on is None
    assert stored.evidence["reason"]
    server = server_of(office, server_id)
    assert (server.domain, server.domain_registered_on) == ("muller.com.au", None)


def test_a_screener_enters_the_date_that_a_paper_shows(office: Office) -> None:
    server_id = life.make_submitted(office)
    document = paper(office, server_id)
    stored = enter(office, server_id, OLD, document)
    assert (stored.source, stored.document_id) == (domain_ages.MANUAL, document)
    assert server_of(office, server_id).domain_registered_on == OLD
    with office.reading() as work:
        last = work.session.scalars(select(ServerEvent).order_by(ServerEvent.id.desc())).first()
    assert last is not None
    assert (last.action, last.role) == ("domain-age", Role.SCREENER)
    assert last.details["registered_on"] == "2015-06-01"


def test_a_registry_that_is_silent_later_does_not_undo_what_was_entered(office: Office) -> None:
    server_id = life.make_submitted(office)
    enter(office, server_id, OLD, paper(office, server_id))
    record(office, server_id, CouldNotTell("no answer in time"))
    assert server_of(office, server_id).domain_registered_on == OLD
    record(office, server_id, Found("muller.com.au", YOUNG, SOURCE, ()))
    assert server_of(office, server_id).domain_registered_on == YOUNG


def test_dates_that_cannot_be_are_refused(office: Office) -> None:
    server_id = life.make_submitted(office)
    document = paper(office, server_id)
    for day in (datetime.date(1970, 1, 1), datetime.date(2026, 3, 3)):
        with pytest.raises(OperationError, match="between"):
            enter(office, server_id, day, document)


def test_a_date_without_its_paper_is_refused(office: Office) -> None:
    server_id, other = life.make_submitted(office), life.make_submitted(office)
    others_paper = paper(office, other)
    for document in (0, 1, others_paper):
        with pytest.raises(OperationError, match="document"):
            enter(office, server_id, OLD, document)


@pytest.mark.parametrize("role", [Role.OWNER, Role.AGENT, Role.TREASURER])
def test_only_screeners_enter_a_date(office: Office, role: Role) -> None:
    server_id = life.make_submitted(office)
    document = paper(office, server_id)
    with pytest.raises(ForbiddenError):
        enter(office, server_id, OLD, document, role)


def test_a_date_that_comes_late_changes_the_bond_of_an_offer(office: Office) -> None:
    server_id = life.make_offered(office, registered_on=None)
    assert server_of(office, server_id).bond_due == 250_000
    enter(office, server_id, OLD, paper(office, server_id))
    assert server_of(office, server_id).bond_due == 0


def test_an_application_that_has_ended_learns_nothing_more(office: Office) -> None:
    server_id = life.make_submitted(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        life.move(work, server, life.Action.WITHDRAW, life.applicant_of(server))
    assert record(office, server_id, Found("muller.com.au", OLD, SOURCE, ())) is None


def test_the_last_finding_is_shown_to_screeners(office: Office) -> None:
    server_id = life.make_compared(office)
    record(office, server_id, CouldNotTell("no answer in time"))
    with office.reading() as work:
        (waiting,) = screenings.queue(work).rows
    assert waiting.age is not None
    assert waiting.age.registered_on is None
