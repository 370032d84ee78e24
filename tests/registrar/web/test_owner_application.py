"""An application from its first page to its submission, as a browser without scripts makes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.registrar.domain_age import NotFound
from countersign.registrar.operations import domain_ages
from countersign.registrar.operations.applications import return_to_applicant
from countersign.registrar.operations.dossier import unconfirmed_contacts
from countersign.registrar.operations.office import Office
from countersign.registrar.particulars.steps import Step
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account
from countersign.storage.database.servers import Document, Server
from tests.registrar.operations import life
from tests.registrar.particulars import examples
from tests.registrar.web.applicants import HOST, begun, owner, scan, server_of
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.resolving import asking, name_server
from tests.registrar.web.visitors import Site


@pytest.fixture
def resolver() -> Iterator[DnsServer]:
    with name_server() as server:
        yield server


def test_a_whole_application_goes_through_the_pages(office: Office, resolver: DnsServer) -> None:
    office = asking(office, resolver)
    site = Site(office)
    browser, key = begun(site)
    assert browser.path == f"/servers/{key}/application/owner"
    for step in (Step.OWNER, Step.ADMIN_CONTACT, Step.LOCATION, Step.DIRECTORY):
        assert browser.path.endswith(f"/application/{step}"), browser.page.text
        browser.press("Save and continue", dict(examples.INDIVIDUAL_FORMS[step]))
    assert browser.path == f"/servers/{key}/application/documents"
    for number, label in enumerate(("Driver's licence", "Birth certificate", "Passport")):
        browser.press(f"Upload {label}", file=scan(number * 40))
        assert "kept encrypted" in browser.page.text
    assert ">Missing<" not in browser.page.text
    browser.open(f"/servers/{key}")
    assert "Confirm the e-mail addresses" in browser.page.text
    browser.open(f"/servers/{key}/application/review")
    assert "jan@muller.com.au" in browser.page.text
    assert "Not confirmed yet" in browser.page.text
    life.confirm_contacts(office, key)

    browser.open(f"/servers/{key}/application")
    assert browser.path.endswith("/application/review")
    browser.press("Submit the application")
    assert browser.page.status_code == 422
    assert "has no address in the DNS" in browser.page.text
    assert f"Publish an A or AAAA record of <strong>{HOST}</strong>" in browser.page.text
    resolver.set(HOST, "A", "192.0.2.25")
    browser.press("Submit the application")
    assert browser.path == f"/servers/{key}"
    assert "The application has been submitted" in browser.page.text
    assert server_of(office, key).state is State.SUBMITTED


def test_a_dns_that_does_not_answer_is_no_missing_name(office: Office, resolver: DnsServer) -> None:
    site = Site(asking(office, resolver))
    resolver.misbehave(HOST, Behaviour.SERVFAIL)
    browser = owner(site)
    key = life.make_draft(office, hostname=HOST)
    life.confirm_contacts(office, key)
    browser.open(f"/servers/{key}/application/review")
    browser.press("Submit the application")
    assert browser.page.status_code == 422
    assert "try it again in some minutes" in browser.page.text
    assert "Publish an A or AAAA record" not in browser.page.text
    assert server_of(office, key).state is State.DRAFT


def test_scans_are_checked_listed_and_removed(site: Site) -> None:
    browser, key = begun(site)
    browser.open(f"/servers/{key}/application/documents")
    assert "Fill in the other steps first" in browser.page.text
    browser.open(f"/servers/{key}/application/owner")
    browser.press("Save and continue", dict(examples.OWNER))
    browser.open(f"/servers/{key}/application/documents")
    assert "Missing" in browser.page.text
    page = browser.press("Upload", file=b"this is no picture")
    assert page.status_code == 422
    assert 'href="#field-file-0"' in page.text
    page = browser.press("Upload")
    assert page.status_code == 422
    assert "Choose a file first." in page.text
    page = browser.press("Upload", file=scan())
    assert "kept encrypted" in page.text
    assert "1 page" in page.text
    browser.press("Remove")
    assert "The scan has been removed" in browser.page.text
    with site.office.reading() as work:
        rows = work.session.scalars(select(Document).where(Document.server_id == key)).all()
    assert [row.removed_at is not None for row in rows] == [True]


def test_a_paper_on_the_domains_age_is_taken_where_the_registry_tells_none(
    site: Site, office: Office
) -> None:
    known = life.make_screened(office)
    browser = owner(site)
    label = "since when the domain is registered"
    assert label not in browser.open(f"/servers/{known}/application/documents").text
    key = life.make_screened(office, registered_on=None, hostname="mail.other.com.au")
    with office.work() as work:
        finding = NotFound("other.com.au", "https://rdap.example/domain/other.com.au")
        domain_ages.record_finding(work, work.session.get_one(Server, key), finding)
    page = browser.open(f"/servers/{key}/application/documents")
    assert label in page.text
    page = browser.press("Upload Paper that shows since when the domain is registered", file=scan())
    assert "kept encrypted" in page.text
    with office.reading() as work:
        rows = work.session.scalars(select(Document).where(Document.server_id == key)).all()
    assert [row.subject for row in rows if row.kind == "domain-age"] == ["domain"]


def test_a_letter_to_a_contact_is_sent_again(site: Site, office: Office) -> None:
    key = life.make_draft(office)
    browser = owner(site)
    browser.open(f"/servers/{key}/application/review")
    browser.press("Send the letter again")
    assert "wait 2 minutes" in browser.page.text
    office.clock.advance(minutes=3)  # type: ignore[attr-defined]
    before = len(life.mailed_tokens(office, key))
    browser.press("Send the letter again")
    assert "The letter is on its way." in browser.page.text
    assert len(life.mailed_tokens(office, key)) == before + 1


def test_what_a_screener_asks_for_is_shown(site: Site, office: Office) -> None:
    key = life.make_submitted(office)
    browser = owner(site)
    assert browser.open(f"/servers/{key}/application/owner").status_code == 200
    page = browser.press("Save", {"phone": "02 9876 5433"})
    assert page.status_code == 422
    assert "is being checked and cannot be changed now" in page.text
    screener = life.staff(office, Role.SCREENER)
    with office.work() as work:
        server = work.session.get_one(Server, key)
        return_to_applicant(work, screener, server, "The passport is not readable.")
    page = browser.open(f"/servers/{key}")
    assert "The passport is not readable." in page.text
    assert "a screener" in page.text
    with office.reading() as work:
        assert work.session.get_one(Account, screener.account_id).name not in page.text


def test_a_host_that_is_taken_is_refused_with_the_form(site: Site, office: Office) -> None:
    life.make_submitted(office, hostname=HOST)
    browser = owner(site)
    browser.open("/servers/new")
    page = browser.press("Begin the application", {"hostname": HOST, "kind": "business"})
    assert page.status_code == 422
    assert "registered already" in page.text
    assert f'value="{HOST}"' in page.text
    page = browser.press("Begin the application", {"hostname": "localhost"})
    assert 'href="#field-hostname"' in page.text


def test_a_draft_is_discarded_after_a_question(site: Site, office: Office) -> None:
    key = life.make_draft(office)
    browser = owner(site)
    browser.open(f"/servers/{key}")
    assert f'href="/servers/{key}/withdraw"' in browser.page.text
    page = browser.open(f"/servers/{key}/withdraw")
    assert "All scans that were uploaded are deleted." in page.text
    assert browser.press("Discard the application").status_code == 422
    browser.press("Discard the application", {"sure": "yes", "reason": "Another host."})
    assert server_of(office, key).state is State.WITHDRAWN
    assert "A new one may be made" in browser.page.text


def test_a_contact_confirms_by_the_link_in_the_letter(site: Site, office: Office) -> None:
    agent = life.make_account(office, "agnes@agents.com.au", Role.AGENT, name="Agnes Agent")
    key = life.make_draft(office, hostname=HOST, agent=agent)
    (token, *_) = life.mailed_tokens(office, key)
    browser = Filler(site.anonymous())
    page = browser.open(f"/confirm-contact/{token}")
    assert HOST in page.text
    assert "Agnes Agent" in page.text
    with office.reading() as work:
        assert len(unconfirmed_contacts(work, work.session.get_one(Server, key))) > 1
    page = browser.press("Yes, that is right")
    assert "Your address is confirmed" in page.text
    assert browser.open(f"/confirm-contact/{token}").status_code == 404
    assert browser.open("/confirm-contact/nonsense").status_code == 404
    for other in life.mailed_tokens(office, key)[1:]:
        browser.open(f"/confirm-contact/{other}")
        browser.press("Yes, that is right")
    with office.reading() as work:
        assert unconfirmed_contacts(work, work.session.get_one(Server, key)) == []
