"""Auditors and administrators: the logs, background work; and what everybody's first page has."""

from __future__ import annotations

import datetime

import pytest

from countersign.registrar.operations.offender_queries import Question, query_offenders
from countersign.registrar.operations.office import Actor, Office
from countersign.rules.roles import STAFF, Role
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.operations import life, treasury
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.visitors import Site, add_account

LOG = "/staff/access-log"


def note(office: Office, account_id: int, what: str, subject: str) -> None:
    with office.work() as work:
        work.record(Actor(Role.SCREENER, account_id), what, subject)


class TestAccessLog:
    def test_it_is_found_by_person_subject_what_and_time(
        self, site: Site, office: Office, clock: Clock
    ) -> None:
        ann, bob = add_account(office, name="Ann"), add_account(office, name="Bob")
        note(office, ann, "particulars seen", "server:901")
        clock.advance(days=1)
        note(office, bob, "particulars seen", "server:902")
        note(office, bob, "document seen", "document:903")
        browser = at_desk(site, Role.AUDITOR)

        def seen(query: str) -> set[str]:
            text = browser.open(f"{LOG}?{query}").text.partition("<tbody")[2]
            return {one for one in ("server:901", "server:902", "document:903") if one in text}

        assert seen("") == {"server:901", "server:902", "document:903"}
        assert seen(f"person={ann}") == {"server:901"}
        assert seen("subject=server:902") == {"server:902"}
        assert seen("what=document+seen") == {"document:903"}
        assert seen(f"person={bob}&what=particulars+seen") == {"server:902"}
        assert seen("begin=2026-03-03") == {"server:902", "document:903"}
        assert seen("end=2026-03-02") == {"server:901"}
        assert seen(f"begin=2026-03-03&person={ann}") == set()
        assert "Write the kind and the number" in browser.open(f"{LOG}?subject=Zoe+Muller").text

    def test_somebody_is_found_by_address_which_stands_in_no_url(
        self, site: Site, office: Office
    ) -> None:
        key = life.make_account(office, "ann@muller.com.au")
        browser = at_desk(site, Role.AUDITOR)
        browser.open(LOG)
        browser.press("Find", {"email": " Ann@muller.com.au "})
        assert browser.path == f"{LOG}?person={key}"
        page = browser.press("Find", {"email": "nobody@muller.com.au"})
        assert "no account with this address" in page.text

    @pytest.mark.parametrize("query", ["", "begin=2026-03-01", "subject=server:5", "person={me}"])
    def test_it_goes_on_page_by_page(self, site: Site, office: Office, query: str) -> None:
        me = add_account(office)
        for _ in range(49):
            note(office, me, "particulars seen", "server:5")
        note(office, me, "the first of the next page", "server:5")
        for _ in range(50):
            note(office, me, "particulars seen", "server:5")
        visitor = site.visitor(Role.AUDITOR)
        first = visitor.get(f"{LOG}?{query.format(me=me)}").text
        assert "The first of the next page" not in first
        address = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        assert "The first of the next page" in visitor.get(address).text

    @pytest.mark.parametrize("role", [Role.SCREENER, Role.ADJUDICATOR, Role.TREASURER])
    def test_others_do_not_read_it(self, site: Site, role: Role) -> None:
        visitor = site.visitor(role)
        for path in (LOG, "/staff/offender-queries", "/staff/jobs"):
            assert visitor.get(path).status_code == 403


def test_questions_about_offenders_are_listed(site: Site, office: Office) -> None:
    key = treasury.make_active(office, hostname="mail.muller.com.au")
    with office.work() as work:
        row = work.session.get_one(Server, key)
        question = Question("Ivan Spamov", datetime.date(1970, 5, 5))
        query_offenders(work, treasury.owner_of(work, row), row, question, "wants an account")
    browser = at_desk(site, Role.AUDITOR)
    page = browser.open("/staff/offender-queries")
    assert "wants an account" in page.text
    assert "mail.muller.com.au" in page.text
    assert "Spamov" not in page.text
    with office.reading() as work:
        owner = work.session.get_one(Server, key).owner_id
    assert "wants an account" in browser.open(f"/staff/offender-queries?person={owner}").text
    assert "wants an account" not in browser.open("/staff/offender-queries?person=999").text


class TestJobs:
    @pytest.fixture
    def job(self, office: Office) -> int:
        """A letter that was given up."""
        with office.work() as work:
            made = Job(
                kind="mail",
                payload={"template": "event", "event": 77, "nonce": "s3cret"},
                state=JobState.FAILED,
                run_at=work.now,
                created_at=work.now,
                ended_at=work.now,
                attempts=12,
                error="the mail server is away",
            )
            work.session.add(made)
            work.session.flush()
            return made.id

    def test_an_administrator_orders_again_what_was_given_up(
        self, site: Site, office: Office, job: int
    ) -> None:
        browser = at_desk(site, Role.ADMINISTRATOR)
        assert "the mail server is away" in browser.open("/staff").text.lower()
        page = browser.open("/staff/jobs")
        assert "event 77" in page.text
        assert "s3cret" not in page.text
        page = browser.press("Try again")
        assert "has been ordered again" in page.text
        with office.reading() as work:
            assert work.session.get_one(Job, job).state is JobState.WAITING
        assert looks(office, "job retried", browser.visitor.account_id)
        assert "the mail server is away" in browser.open("/staff/jobs?list=waiting").text

    def test_an_auditor_only_looks(self, site: Site, job: int) -> None:
        visitor = site.visitor(Role.AUDITOR)
        page = visitor.get("/staff/jobs")
        assert "the mail server is away" in page.text
        assert "Try again" not in page.text
        assert visitor.post(f"/staff/jobs/{job}/retry").status_code == 403


class TestServers:
    def test_they_are_found_by_name_state_and_owner(self, site: Site, office: Office) -> None:
        owner = life.make_account(office, "boss@muller.com.au")
        treasury.make_active(office, hostname="mail.muller.com.au", owner=owner)
        treasury.make_offered(office, hostname="mx.other.com.au")
        browser = at_desk(site, Role.AUDITOR)

        def found() -> tuple[bool, bool]:
            text = browser.page.text
            return "mail.muller.com.au" in text, "mx.other.com.au" in text

        browser.open("/staff/servers")
        assert found() == (True, True)
        browser.open("/staff/servers?host=MAIL.mu")
        assert found() == (True, False)
        browser.open("/staff/servers?state=offered")
        assert found() == (False, True)
        browser.open("/staff/servers?host=mail&state=offered")
        assert found() == (False, False)
        browser.open("/staff/servers")
        form = browser.forms[-1]
        assert "email" in form.values
        page = browser.visitor.post("/staff/servers", {"email": "Boss@muller.com.au"})
        assert "mail.muller.com.au" in page.text
        assert "mx.other.com.au" not in page.text

    def test_the_list_goes_on_page_by_page(self, site: Site, office: Office) -> None:
        for number in range(31):
            treasury.make_tested(office, hostname=f"m{number:02}.muller.com.au")
        visitor = site.visitor(Role.SCREENER)
        for query in ("", "host=m", "state=tested", "host=m&state=tested"):
            first = visitor.get(f"/staff/servers?{query}").text
            address = first.partition('rel="next" href="')[2].partition('"')[0]
            second = visitor.get(address.replace("&amp;", "&")).text
            for number in range(31):
                host = f"m{number:02}.muller.com.au"
                assert (host in first) != (host in second), (query, host)

    def test_each_role_sees_its_own_parts(self, site: Site, office: Office) -> None:
        key = treasury.make_active(office)
        parts = ("", "/events", "/money", "/tests", "/holdings")
        expected = {
            Role.SCREENER: ("", "/events", "/tests"),
            Role.ADJUDICATOR: parts,
            Role.TREASURER: ("", "/events", "/money", "/tests"),
            Role.AUDITOR: parts,
            Role.ADMINISTRATOR: (),
        }
        for role, allowed in expected.items():
            visitor = site.visitor(role)
            for part in parts:
                status = visitor.get(f"/staff/servers/{key}{part}").status_code
                assert (status == 200) is (part in allowed), (role, part)

    def test_an_owner_sees_no_page_of_the_staff(self, site: Site, office: Office) -> None:
        owner = life.make_account(office)
        key = treasury.make_active(office, owner=owner)
        visitor = site.visitor(account_id=owner)
        assert visitor.get(f"/staff/servers/{key}").status_code == 403
        assert visitor.get("/staff").status_code == 403


@pytest.mark.parametrize("role", sorted(STAFF))
def test_whatever_the_navigation_names_may_be_seen(site: Site, role: Role) -> None:
    browser = at_desk(site, role)
    page = browser.open("/staff")
    assert page.status_code == 200
    navigation = page.text.partition('id="navigation"')[2].partition("</nav>")[0]
    addresses = [part.partition('"')[0] for part in navigation.split('href="')[1:]]
    assert len(addresses) >= 4
    for address in addresses:
        assert browser.open(address).status_code == 200, address
