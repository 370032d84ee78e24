"""The offender query of registered owners."""

from __future__ import annotations

import datetime

from sqlalchemy import select

from countersign.registrar.operations.offenders import Details, GivenNumber, record_offender
from countersign.registrar.operations.office import Office
from countersign.rules.screening import Level
from countersign.storage.database.screening import OffenderQuery
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.visitors import Site

QUESTION = {"purpose": "Application for an account"}


def asker(site: Site) -> Filler:
    """Return the owner of an active server, at the page."""
    key = treasury.make_active(site.office)
    with site.office.reading() as work:
        account_id = work.session.get_one(Server, key).owner_id
    browser = Filler(site.visitor(account_id=account_id))
    browser.open("/offender-query")
    return browser


def record(office: Office) -> None:
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        record_offender(
            work,
            adjudicator,
            Details(
                name="Mallory Grey",
                birth_date=datetime.date(1980, 2, 3),
                numbers=(GivenNumber("drivers-licence", "AU-QLD", "98 765 432"),),
            ),
            level=Level.BARRED,
            offence_on=datetime.date(2025, 11, 20),
            case_reference="C-1",
        )


def test_the_answer_is_a_level_and_a_month(site: Site, office: Office) -> None:
    record(office)
    browser = asker(site)
    page = browser.press("Ask", {**QUESTION, "name": "Mallory Grey", "birth_date": "1980-02-03"})
    assert "Known: barred" in page.text
    assert "November 2025" in page.text
    assert "20 November" not in page.text
    assert "C-1" not in page.text
    assert "19 questions left" in " ".join(page.text.split())
    assert "barred" in page.text.lower()


def test_a_licence_is_found_by_its_state(site: Site, office: Office) -> None:
    record(office)
    browser = asker(site)
    number = {"kind": "drivers-licence", "country": "AU", "number": "98765432"}
    page = browser.press("Ask", {**QUESTION, **number})
    assert page.status_code == 422
    assert "Give the state or territory" in page.text
    assert 'value="98765432"' in page.text
    page = browser.press("Ask", {"region": "Queensland"})
    assert "Known: barred" in page.text


def test_nobody_known_is_said_so_and_the_question_counts(site: Site, office: Office) -> None:
    browser = asker(site)
    page = browser.press("Ask", {**QUESTION, "name": "Nice Person", "birth_date": "1990-01-01"})
    assert "Not known" in page.text
    page = browser.open("/offender-query")
    assert "Nice Person" not in page.text
    assert QUESTION["purpose"] not in page.text
    assert "Not known" in page.text
    with office.reading() as work:
        assert len(work.session.scalars(select(OffenderQuery)).all()) == 1


def test_the_questions_of_a_day_are_counted(site: Site, office: Office) -> None:
    browser = asker(site)
    for number in range(office.config.security.offender_queries):
        browser.press("Ask", {**QUESTION, "name": f"Person N{number}", "birth_date": "1990-01-01"})
        assert browser.page.status_code == 200
    page = browser.press("Ask", {"name": "One More"})
    assert page.status_code == 422
    assert "no more can be answered now" in browser.open("/offender-query").text


def test_it_is_for_owners_of_active_servers(site: Site, office: Office) -> None:
    key = treasury.make_active(office)
    stranger = Filler(site.visitor())
    page = stranger.open("/offender-query")
    assert "This is for owners of active servers" in page.text
    answer = stranger.visitor.post(
        "/offender-query",
        {"server": str(key), "name": "A B", "birth_date": "1990-01-01", "purpose": "x"},
    )
    assert answer.status_code == 404


def test_too_little_is_no_question(site: Site) -> None:
    browser = asker(site)
    page = browser.press("Ask", {**QUESTION, "name": "Mallory Grey"})
    assert page.status_code == 422
    assert "both the name and the date of birth" in page.text
    assert 'value="Mallory Grey"' in page.text
