"""Screeners at work through the pages: queue, file, scans, decisions."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable

import pytest
from PIL import Image

from countersign.registrar.operations import offenders
from countersign.registrar.operations.documents_of import documents_of
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.screenings import latest_record
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.rules.screening import Level, Verdict
from countersign.storage.database.servers import Document, Server
from tests.registrar.operations import life, treasury
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.visitors import Site, Visitor

QUEUE = "/staff/screening"


def add_lookalike(office: Office) -> int:
    """Add an offender with the applicant's name and birth date; return the record's key."""
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        return offenders.record_offender(
            work,
            adjudicator,
            offenders.Details("Zoe Muller", datetime.date(1970, 12, 31), "Elsewhere 7, Perth"),
            level=Level.WARNED,
            offence_on=datetime.date(2025, 5, 1),
            case_reference="2025/5",
        ).id


def scans_of(office: Office, key: int) -> list[Document]:
    with office.reading() as work:
        return documents_of(work, work.session.get_one(Server, key))


def decide(browser: Filler, key: int, decision: str, reason: str = "") -> str:
    """Fill in the decision on an applicant's file; return the page that asks to confirm it."""
    browser.open(f"{QUEUE}/{key}")
    fields = {"decision": decision, "reason": reason}
    return browser.press("See what follows", fields).text


def test_an_application_is_cleared_from_the_queue_on(site: Site, office: Office) -> None:
    key = life.make_compared(office, hostname="mail.muller.com.au")
    browser = at_desk(site, Role.SCREENER, name="Sue Green")
    assert "mail.muller.com.au" in browser.open("/staff").text
    page = browser.open(QUEUE)
    assert f'href="{QUEUE}/{key}"' in page.text
    assert "Clean" in page.text
    page = browser.open(f"{QUEUE}/{key}")
    assert "Zoë Müller" in page.text
    assert "12 345 678" in page.text
    assert "That you looked is recorded" in page.text
    confirm = decide(browser, key, "clean")
    assert "mail.muller.com.au is screened, no longer submitted" in confirm
    assert "The owner must prove control of the host" in confirm
    assert "To the owner" in confirm
    assert treasury.state_of(office, key) is State.SUBMITTED, "nothing is done before it is said"
    page = browser.press("Clear the application")
    assert "mail.muller.com.au has been cleared" in page.text
    assert treasury.state_of(office, key) is State.SCREENED
    assert "mail.muller.com.au" not in browser.open(QUEUE).text
    assert "mail.muller.com.au" in browser.open(f"{QUEUE}?list=cleared").text


def test_what_a_confirmation_shows_is_taken_back(site: Site, office: Office) -> None:
    key = life.make_compared(office)
    browser = at_desk(site, Role.SCREENER)
    before = (len(treasury.events(office, key)), len(treasury.letters(office)))
    decide(browser, key, "deny", "The licence is somebody else's.")
    assert (len(treasury.events(office, key)), len(treasury.letters(office))) == before
    page = browser.press("Back to the form")
    assert "The licence is somebody else&#39;s." in page.text, "what was typed in stays"
    browser.press("See what follows")
    browser.press("Refuse the application")
    assert treasury.state_of(office, key) is State.DENIED


def test_each_look_at_the_particulars_is_recorded(site: Site, office: Office) -> None:
    key = life.make_compared(office)
    browser = at_desk(site, Role.SCREENER)
    browser.open(f"{QUEUE}/{key}")
    browser.open(f"{QUEUE}/{key}")
    seen = looks(office, "particulars seen", browser.visitor.account_id)
    assert [one.subject for one in seen] == [f"server:{key}"] * 2
    assert not looks(office, "document seen")


def test_of_two_screeners_the_second_is_told_who_was_first(site: Site, office: Office) -> None:
    key = life.make_compared(office)
    first = at_desk(site, Role.SCREENER, name="Sue Green")
    second = at_desk(site, Role.SCREENER, name="Paul Weber")
    decide(first, key, "clean")
    decide(second, key, "deny", "The papers are not his.")
    first.press("Clear the application")
    page = second.press("Refuse the application")
    assert page.status_code == 409
    assert "Sue Green, screener, has decided in the meantime" in page.text
    assert "The papers are not his." in page.text, "what the second had entered is not lost"
    assert treasury.state_of(office, key) is State.SCREENED


def test_whoever_looks_too_late_is_told_before_confirming(site: Site, office: Office) -> None:
    key = life.make_compared(office)
    first, second = at_desk(site, Role.SCREENER), at_desk(site, Role.SCREENER)
    second.open(f"{QUEUE}/{key}")
    decide(first, key, "clean")
    first.press("Clear the application")
    page = second.press("See what follows", {"decision": "clean"})
    assert page.status_code == 409


def test_an_application_goes_back_with_what_is_to_be_changed(site: Site, office: Office) -> None:
    key = life.make_compared(office)
    browser = at_desk(site, Role.SCREENER)
    page = decide(browser, key, "return")
    assert "needs a reason" in page
    assert browser.page.status_code == 422
    browser.press("See what follows", {"decision": "return", "reason": "Scan the back, too."})
    browser.press("Return the application")
    assert treasury.state_of(office, key) is State.DRAFT
    assert treasury.events(office, key, "return")[0].reason == "Scan the back, too."
    assert browser.open(f"{QUEUE}/{key}").status_code == 200
    assert "Zoë Müller" not in browser.page.text, "a draft is the applicant's own"


def test_a_match_is_compared_side_by_side_and_multiplies_the_bond(
    site: Site, office: Office
) -> None:
    offender = add_lookalike(office)
    key = life.make_compared(office)
    browser = at_desk(site, Role.SCREENER)
    page = browser.open(f"{QUEUE}/{key}")
    assert "the same birth date" in page.text
    page = browser.open(f"{QUEUE}/{key}/offenders/{offender}?as=owner")
    assert "Elsewhere 7, Perth" in page.text
    assert "1 George Street" in page.text
    (seen,) = looks(office, "offender seen", browser.visitor.account_id)
    assert (seen.subject, seen.details["reason"]) == (
        f"offender:{offender}",
        f"screening of server {key}",
    )
    decide(browser, key, "multiply", "It is she.")
    browser.press("Clear with a larger bond")
    assert treasury.server_of(office, key).matched_offender
    with office.reading() as work:
        record = latest_record(work, work.session.get_one(Server, key))
        assert record is not None
        assert (record.decision, record.decided_by) == (
            Verdict.MULTIPLY,
            browser.visitor.account_id,
        )


def test_only_matches_of_the_screening_can_be_compared(site: Site, office: Office) -> None:
    key = life.make_compared(office)
    offender = add_lookalike(office)
    browser = at_desk(site, Role.SCREENER)
    assert browser.open(f"{QUEUE}/{key}/offenders/{offender}?as=owner").status_code == 404
    assert not looks(office, "offender seen")


class TestScans:
    def test_one_is_shown_in_a_sandbox_and_the_look_recorded(
        self, site: Site, office: Office
    ) -> None:
        key = life.make_compared(office)
        scan, *_ = scans_of(office, key)
        browser = at_desk(site, Role.SCREENER)
        page = browser.visitor.post(f"{QUEUE}/{key}/documents/{scan.id}")
        assert page.status_code == 200
        assert page.headers["content-type"] == scan.content_type
        assert Image.open(io.BytesIO(page.content)).size == (120, 80)
        assert "sandbox" in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        (seen,) = looks(office, "document seen")
        assert (seen.account_id, seen.subject, seen.server_id) == (
            browser.visitor.account_id,
            f"document:{scan.id}",
            key,
        )

    def test_one_can_be_saved(self, site: Site, office: Office) -> None:
        key = life.make_compared(office)
        scan, *_ = scans_of(office, key)
        visitor = site.visitor(Role.SCREENER)
        page = visitor.post(f"{QUEUE}/{key}/documents/{scan.id}", {"as": "file"})
        assert page.headers["content-disposition"].startswith("attachment")
        assert page.headers["content-type"] == "application/octet-stream"

    @pytest.mark.parametrize(
        "role", [Role.ADJUDICATOR, Role.TREASURER, Role.AUDITOR, Role.ADMINISTRATOR, Role.AGENT]
    )
    def test_nobody_but_screeners_sees_one(self, site: Site, office: Office, role: Role) -> None:
        key = life.make_compared(office)
        scan, *_ = scans_of(office, key)
        page = site.visitor(role).post(f"{QUEUE}/{key}/documents/{scan.id}")
        assert page.status_code in (403, 404)
        assert not looks(office, "document seen")

    def test_not_even_its_owner_does(self, site: Site, office: Office) -> None:
        owner = life.make_account(office, "own@muller.com.au", Role.SCREENER)
        key = life.make_compared(office, owner=owner)
        scan, *_ = scans_of(office, key)
        visitor = site.visitor(account_id=owner)
        assert visitor.post(f"{QUEUE}/{key}/documents/{scan.id}").status_code == 403
        assert visitor.get(f"{QUEUE}/{key}").status_code == 403

    def test_one_of_another_application_is_not_found(self, site: Site, office: Office) -> None:
        key = life.make_compared(office)
        other = life.make_compared(office, owner=life.make_account(office))
        scan, *_ = scans_of(office, other)
        visitor = site.visitor(Role.SCREENER)
        assert visitor.post(f"{QUEUE}/{key}/documents/{scan.id}").status_code == 404
        assert not looks(office, "document seen")

    def test_no_address_shows_one(self, site: Site, office: Office) -> None:
        key = life.make_compared(office)
        scan, *_ = scans_of(office, key)
        visitor = site.visitor(Role.SCREENER)
        assert visitor.get(f"{QUEUE}/{key}/documents/{scan.id}").status_code == 405
        bare = visitor.client.post(f"{QUEUE}/{key}/documents/{scan.id}")
        assert bare.status_code == 403, "a form that no page of ours made"

    def test_after_the_screening_a_reason_is_needed(self, site: Site, office: Office) -> None:
        key = life.make_tested(office)
        scan, *_ = scans_of(office, key)
        browser = at_desk(site, Role.SCREENER)
        page = browser.open(f"{QUEUE}/{key}")
        assert "Zoë Müller" not in page.text
        address = f"{QUEUE}/{key}/documents/{scan.id}"
        assert browser.visitor.post(address).status_code == 303, "back, with the reason why not"
        assert not looks(office, "document seen")
        page = browser.press("Show the particulars", {"reason": "asked by the police"})
        assert "Zoë Müller" in page.text
        (seen,) = looks(office, "particulars seen", browser.visitor.account_id)
        assert seen.details["reason"] == "asked by the police"
        assert browser.visitor.post(address, {"reason": "asked by the police"}).is_success


class TestDomainAge:
    def test_it_is_entered_with_the_paper_that_shows_it(self, site: Site, office: Office) -> None:
        key = life.make_compared(office, registered_on=None)
        browser = at_desk(site, Role.SCREENER)
        browser.open(f"{QUEUE}/{key}")
        paper = io.BytesIO()
        Image.new("L", (90, 60), 120).save(paper, "PNG")
        page = browser.press(
            "Enter the age", {"registered_on": "2019-04-30"}, file=paper.getvalue()
        )
        assert "The age of the domain has been entered" in page.text
        assert treasury.server_of(office, key).domain_registered_on == datetime.date(2019, 4, 30)
        assert "domain-age" in [one.kind for one in scans_of(office, key)]

    @pytest.mark.parametrize("make", [treasury.make_tested, treasury.make_offered])
    def test_it_can_be_entered_as_long_as_the_server_lives(
        self, site: Site, office: Office, make: Callable[..., int]
    ) -> None:
        key = make(office, registered_on=None)
        browser = at_desk(site, Role.SCREENER)
        browser.open(f"{QUEUE}/{key}")
        paper = io.BytesIO()
        Image.new("L", (90, 60), 120).save(paper, "PNG")
        browser.press("Enter the age", {"registered_on": "2019-04-30"}, file=paper.getvalue())
        assert treasury.server_of(office, key).domain_registered_on == datetime.date(2019, 4, 30)

    def test_without_a_paper_it_is_not(self, site: Site, office: Office) -> None:
        key = life.make_compared(office, registered_on=None)
        browser = at_desk(site, Role.SCREENER)
        browser.open(f"{QUEUE}/{key}")
        page = browser.press("Enter the age", {"registered_on": "2019-04-30"})
        assert "Upload the paper that shows the date" in page.text
        assert treasury.server_of(office, key).domain_registered_on is None


def test_what_was_cleared_waits_until_its_test_is_passed(site: Site, office: Office) -> None:
    key = life.make_screened(office, hostname="mail.muller.com.au")
    browser = at_desk(site, Role.SCREENER)
    assert "Cleared, test not passed" in browser.open("/staff").text
    assert "mail.muller.com.au" in browser.page.text
    assert "mail.muller.com.au" in browser.open(f"{QUEUE}?list=cleared").text
    life.pass_test(office, key)
    assert "mail.muller.com.au" not in browser.open("/staff").text
    assert "mail.muller.com.au" not in browser.open(f"{QUEUE}?list=cleared").text


def test_a_failed_test_can_be_made_again(site: Site, office: Office) -> None:
    key = life.make_screened(office)
    browser = at_desk(site, Role.SCREENER)
    browser.open(f"{QUEUE}/{key}")
    page = browser.press("Test again")
    assert "A test is under way" in page.text


def test_the_queue_goes_on_page_by_page(site: Site, office: Office) -> None:
    owner = life.make_account(office)
    hosts = [f"mail{number:02}.muller.com.au" for number in range(32)]
    with office.work() as work:
        for number, host in enumerate(hosts):
            work.session.add(
                Server(
                    hostname=host,
                    state=State.SUBMITTED,
                    state_since=work.now + datetime.timedelta(minutes=number),
                    owner_id=owner,
                    kind="individual",
                    created_at=work.now,
                )
            )
    visitor: Visitor = site.visitor(Role.SCREENER)
    first = visitor.get(QUEUE).text
    assert hosts[0] in first
    assert hosts[29] in first
    assert hosts[30] not in first
    address = first.partition('rel="next" href="')[2].partition('"')[0]
    second = visitor.get(address).text
    assert hosts[30] in second
    assert hosts[0] not in second
