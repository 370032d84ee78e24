"""Relay tests of a server, as its owner sees them."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, select

from countersign.certification.outcome import Direction, Line, Verdict
from countersign.certification.report import one_perspective
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.test_beginning import begin_run
from countersign.registrar.web.report_view import MAX_LINES, report_view
from countersign.storage.database.probing import ProbeOrder
from countersign.storage.database.servers import TestRun
from tests.registrar import probing
from tests.registrar.documents.reading import text_of
from tests.registrar.operations import life
from tests.registrar.reports import EVIL, differing, end_with, outcome, result
from tests.registrar.web.owners import owner_of
from tests.registrar.web.visitors import Site

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_report_shows_what_each_perspective_saw_and_how_to_put_it_right(
    site: Site, office: Office
) -> None:
    key = life.make_screened(office)
    run = end_with(office, key, differing(office))
    browser = owner_of(site, key)
    assert "Put right what the relay test found" in browser.open(f"/servers/{key}").text
    assert "Answers differ" in browser.open(f"/servers/{key}/tests").text
    page = browser.open(f"/servers/{key}/tests/{run}").text
    assert "The answers differ" in page
    assert "Failed, and it is proven" in page
    assert "No result" in page
    for mark in ("A: failed", "B: passed", "C: no result"):
        assert mark in page
    assert "Arrived at the test mailbox" in page
    for program in ("Postfix", "Exim", "Exchange", "Sendmail"):
        assert f"<summary>{program}</summary>" in page
    assert EVIL not in page
    assert "250 Percent hack &lt;script&gt;" in page
    assert "250 Greeting" not in page
    assert "250 Greeting &lt;script&gt;" in browser.open(f"{browser.path}?all=yes").text
    other = life.make_screened(office)
    stranger = owner_of(site, other)
    for path in (str(run), f"{run}/report.pdf", f"{run}/report.json"):
        assert stranger.open(f"/servers/{other}/tests/{path}").status_code == 404


def test_the_report_is_had_as_pdf_and_as_json(site: Site, office: Office) -> None:
    key = life.make_screened(office)
    browser = owner_of(site, key)
    run = end_with(office, key, differing(office))
    pdf = browser.open(f"/servers/{key}/tests/{run}/report.pdf")
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert "mail.muller.com.au" in text_of(pdf.content)
    told = json.loads(browser.open(f"/servers/{key}/tests/{run}/report.json").content)
    assert told["report"]["decision"] == {"verdict": "failed", "differs": True}


def test_a_running_test_shows_how_many_perspectives_have_answered(
    site: Site, office: Office
) -> None:
    probing.enrol(office, 3)
    key = life.make_screened(office)
    browser = owner_of(site, key)
    assert "Progress" in browser.open(f"/servers/{key}/tests").text
    run = last_run(office, key)
    assert "about to begin" in browser.open(f"/servers/{key}/tests/{run}").text
    with office.work() as work:
        begin_run(work, work.session.get_one(TestRun, run))
    page = browser.open(f"/servers/{key}/tests/{run}").text
    assert "0 of 3 perspectives have answered" in page
    assert 'hx-trigger="every 3s"' in page
    order = probing.fetch(office, min(probes_of_run(office, run)))
    assert order is not None
    probing.send(office, order.probe, order.id, probing.result_of(order.assignment.host))
    part = browser.visitor.client.get(f"/servers/{key}/tests/{run}", headers=HTMX).text
    assert "1 of 3 perspectives have answered" in part
    assert "<html" not in part
    assert "probe" not in part.lower()


def test_a_test_is_asked_for_with_a_pause(site: Site, office: Office) -> None:
    key = life.make_screened(office)
    end_with(office, key, differing(office))
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/tests")
    browser.press("Test it now")
    assert "The test has been ordered" in browser.page.text
    page = browser.press("Test it now")
    assert page.status_code == 422
    assert "wait 10 minutes" in page.text


def test_a_page_is_bounded_whatever_was_said(office: Office) -> None:
    noisy = tuple(Line(n, Direction.RECEIVED, "250 Go on") for n in range(150))
    outcomes = [
        outcome(f"relay-{number}", "Relay", Verdict.FAILED).model_copy(
            update={"transcript": noisy, "explanation": f"Number {number}."}
        )
        for number in range(60)
    ]
    view = report_view(one_perspective(result(office, *outcomes)), everything=True)
    shown = [one for _, tests in view.groups for test in tests for one in test.sightings]
    assert sum(len(one.lines) for one in shown) == MAX_LINES
    assert view.is_cut
    assert len(shown) == 60


def last_run(office: Office, key: int) -> int:
    with office.reading() as work:
        return int(
            work.session.scalar(select(func.max(TestRun.id)).where(TestRun.server_id == key)) or 0
        )


def probes_of_run(office: Office, run: int) -> list[int]:
    with office.reading() as work:
        return list(
            work.session.scalars(select(ProbeOrder.probe_id).where(ProbeOrder.run_id == run))
        )
