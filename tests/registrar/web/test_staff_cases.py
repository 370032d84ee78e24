"""Adjudicators at work through the pages: suspensions, forfeitures, deregistrations."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from countersign.registrar.operations import forfeitures
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.remedies import report_remedy
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.money import InvoiceKind, InvoiceState, Purpose
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.operations import life, treasury
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.staffers import at_desk
from tests.registrar.web.visitors import Site

WHY: dict[str, Any] = {
    "reason": "Four traps were hit.",
    "public_reason": "spam to traps",
    "remedy": "Name the user.",
}


def page_of(key: int, rest: str = "") -> str:
    return f"/staff/servers/{key}{rest}"


def suspend(browser: Filler, key: int) -> None:
    browser.open(page_of(key, "/suspend"))
    browser.press("See what follows", WHY)
    browser.press("Suspend it")


def propose(browser: Filler, key: int, amount: str = "2,500.00") -> None:
    browser.open(page_of(key, "/forfeitures/propose"))
    fields = {"amount": amount, "offence_on": "2026-03-02", "reason": "Proven spam."}
    browser.press("See what follows", fields)
    browser.press("Propose it")


def forfeiture_of(office: Office, key: int) -> Forfeiture:
    with office.reading() as work:
        return work.session.scalars(select(Forfeiture).where(Forfeiture.server_id == key)).one()


@pytest.fixture
def key(office: Office) -> int:
    """An active server with a bond."""
    return treasury.make_active(office, hostname="mail.muller.com.au")


def test_a_server_is_suspended_and_reinstated(site: Site, office: Office, key: int) -> None:
    browser = at_desk(site, Role.ADJUDICATOR, name="Ana Ortiz")
    browser.open(page_of(key))
    browser.open(page_of(key, "/suspend"))
    page = browser.press("See what follows", WHY)
    assert "mail.muller.com.au is suspended, no longer active" in page.text
    assert "published as suspended (“spam to traps”)" in page.text
    assert treasury.state_of(office, key) is State.ACTIVE
    page = browser.press("Suspend it")
    assert "mail.muller.com.au is suspended" in page.text
    assert "Ana Ortiz, adjudicator" in page.text
    assert treasury.state_of(office, key) is State.SUSPENDED
    assert "mail.muller.com.au" in browser.open("/staff/cases/suspensions").text
    browser.open(page_of(key, "/reinstate"))
    page = browser.press("See what follows", {"reason": "All is well."})
    assert page.status_code == 422
    assert "remedy" in page.text
    with office.work() as work:
        row = work.session.get_one(Server, key)
        report_remedy(work, treasury.owner_of(work, row), row, "The user is Bob; he is gone.")
    assert "The user is Bob" in browser.open(page_of(key)).text
    assert "The user is Bob" in browser.open("/staff/cases/suspensions").text
    browser.open(page_of(key, "/remedy"))
    page = browser.press("See what follows", {"reason": "I have seen it."})
    assert "mail.muller.com.au is active, no longer suspended" in page.text
    assert "published as registered" in page.text
    browser.press("It is done")
    assert treasury.state_of(office, key) is State.ACTIVE


def test_something_else_can_be_asked_for(site: Site, office: Office, key: int) -> None:
    browser = at_desk(site, Role.ADJUDICATOR)
    suspend(browser, key)
    page = browser.open(page_of(key, "/suspension"))
    assert "Name the user." in page.text
    browser.press("See what follows", {"reason": "It was a robot.", "remedy": "Stop the robot."})
    browser.press("Change the suspension")
    assert treasury.server_of(office, key).remedy == "Stop the robot."


def test_a_decision_needs_its_reason(site: Site, office: Office, key: int) -> None:
    browser = at_desk(site, Role.ADJUDICATOR)
    browser.open(page_of(key, "/suspend"))
    page = browser.press("See what follows", {**WHY, "reason": " "})
    assert page.status_code == 422
    assert "needs a reason" in page.text
    assert "Name the user." in page.text, "what was typed in stays"
    page = browser.press("See what follows", {**WHY, "public_reason": ""})
    assert page.status_code == 422
    assert treasury.state_of(office, key) is State.ACTIVE


def test_of_two_adjudicators_the_second_is_told(site: Site, office: Office, key: int) -> None:
    first = at_desk(site, Role.ADJUDICATOR, name="Ana Ortiz")
    second = at_desk(site, Role.ADJUDICATOR)
    second.open(page_of(key, "/suspend"))
    second.press("See what follows", WHY)
    suspend(first, key)
    page = second.press("Suspend it")
    assert page.status_code == 409
    assert "Ana Ortiz, adjudicator, has decided in the meantime" in page.text
    assert len(treasury.events(office, key, "suspend")) == 1


def test_sanctions_want_a_fresh_proof_of_who_decides(site: Site, key: int, clock: Clock) -> None:
    browser = at_desk(site, Role.ADJUDICATOR)
    clock.advance(minutes=11)
    assert browser.visitor.get(page_of(key)).status_code == 200
    for rest in ("/suspend", "/forfeitures/propose", "/deregistration/propose"):
        answer = browser.visitor.get(page_of(key, rest))
        assert answer.headers["location"].startswith("/account/prove"), rest
        answer = browser.visitor.post(page_of(key, rest), WHY)
        assert answer.headers["location"].startswith("/account/prove"), rest


def test_a_party_to_a_server_does_not_decide_on_it(site: Site, office: Office) -> None:
    owner = life.make_account(office, "boss@muller.com.au", Role.ADJUDICATOR)
    key = treasury.make_active(office, owner=owner)
    visitor = site.visitor(account_id=owner)
    assert visitor.get(page_of(key)).status_code == 403
    assert visitor.get(page_of(key, "/suspend")).status_code == 403
    assert visitor.post(page_of(key, "/suspend"), WHY).status_code == 403


class TestForfeitures:
    def test_one_is_proposed_replied_to_and_confirmed(
        self, site: Site, office: Office, key: int
    ) -> None:
        first = at_desk(site, Role.ADJUDICATOR, name="Ana Ortiz")
        first.open(page_of(key, "/forfeitures/propose"))
        fields = {"amount": "2500", "offence_on": "2026-03-02", "reason": "Proven spam."}
        page = first.press("See what follows", {**fields, "evidence": "R-1, R-2"})
        assert "US$2,500.00" in page.text
        assert "when the time to reply has passed without a reply" in page.text
        page = first.press("Propose it")
        assert "A forfeiture of the bond is proposed" in page.text
        found = forfeiture_of(office, key)
        assert found.evidence == {"reports": ["R-1", "R-2"]}
        with office.work() as work:
            row = work.session.get_one(Server, key)
            one = work.session.get_one(Forfeiture, found.id)
            forfeitures.reply(work, treasury.owner_of(work, row), one, "It was <not> us.")
        second = at_desk(site, Role.ADJUDICATOR)
        assert "mail.muller.com.au" in second.open("/staff/cases").text
        page = second.open(page_of(key, f"/forfeitures/{found.id}"))
        assert "It was &lt;not&gt; us." in page.text
        second.open(page_of(key, f"/forfeitures/{found.id}/decision"))
        page = second.press("See what follows", {"decision": "confirm", "reason": "It was."})
        assert "US$2,500.00 from bond held to bonds forfeited" in page.text
        assert "suspended, no longer active" in page.text
        assert treasury.balances(office, key)[Purpose.BOND_HELD] == treasury.BOND
        second.press("Forfeit it")
        assert forfeiture_of(office, key).state is ForfeitureState.EXECUTED
        assert treasury.balances(office, key)[Purpose.BOND_HELD] == 0
        assert treasury.state_of(office, key) is State.SUSPENDED
        treasury.check_ledger(office)

    def test_who_proposes_one_does_not_confirm_it_but_may_drop_it(
        self, site: Site, office: Office, key: int
    ) -> None:
        browser = at_desk(site, Role.ADJUDICATOR)
        propose(browser, key)
        found = forfeiture_of(office, key)
        address = page_of(key, f"/forfeitures/{found.id}/decision")
        page = browser.open(address)
        assert "Forfeit it" not in page.text
        seen = {"seen_version": str(found.version), "seen_event": "1"}
        answer = browser.visitor.post(address, {"decision": "confirm", "reason": "x", **seen})
        assert answer.status_code == 403
        browser.press("See what follows", {"decision": "drop", "reason": "A mistake."})
        browser.press("Drop it")
        assert forfeiture_of(office, key).state is ForfeitureState.DROPPED

    def test_a_treasurer_is_a_second_person_too(self, site: Site, office: Office, key: int) -> None:
        propose(at_desk(site, Role.ADJUDICATOR), key)
        browser = at_desk(site, Role.TREASURER)
        assert "mail.muller.com.au" in browser.open("/staff").text
        assert "mail.muller.com.au" in browser.open("/staff/cases").text
        assert browser.open("/staff/cases/suspensions").status_code == 403
        browser.open(page_of(key, f"/forfeitures/{forfeiture_of(office, key).id}/decision"))
        browser.press("See what follows", {"decision": "confirm", "reason": "It is plain."})
        browser.press("Forfeit it")
        assert forfeiture_of(office, key).state is ForfeitureState.EXECUTED

    def test_a_reply_that_was_not_seen_stops_the_decision(
        self, site: Site, office: Office, key: int
    ) -> None:
        propose(at_desk(site, Role.ADJUDICATOR), key)
        found = forfeiture_of(office, key)
        browser = at_desk(site, Role.ADJUDICATOR)
        browser.open(page_of(key, f"/forfeitures/{found.id}/decision"))
        browser.press("See what follows", {"decision": "confirm", "reason": "It is plain."})
        with office.work() as work:
            row = work.session.get_one(Server, key)
            one = work.session.get_one(Forfeiture, found.id)
            forfeitures.reply(work, treasury.owner_of(work, row), one, "Wait!")
        page = browser.press("Forfeit it")
        assert page.status_code == 409
        assert "a reply that you have not seen" in page.text
        assert "Wait!" in page.text
        assert forfeiture_of(office, key).state is ForfeitureState.PROPOSED

    @pytest.mark.parametrize("amount", ["2500.01", "-1", "much", "25.001", "1e9"])
    def test_what_is_no_amount_of_the_bond_is_refused(
        self, site: Site, office: Office, key: int, amount: str
    ) -> None:
        browser = at_desk(site, Role.ADJUDICATOR)
        browser.open(page_of(key, "/forfeitures/propose"))
        fields = {"amount": amount, "offence_on": "2026-03-02", "reason": "Spam."}
        page = browser.press("See what follows", fields)
        assert page.status_code == 422
        assert f'value="{amount}"' in page.text

    def test_one_of_another_server_is_not_found(self, site: Site, office: Office, key: int) -> None:
        browser = at_desk(site, Role.ADJUDICATOR)
        propose(browser, key)
        other = treasury.make_active(office)
        found = forfeiture_of(office, key)
        assert browser.open(page_of(other, f"/forfeitures/{found.id}")).status_code == 404


class TestDeregistrations:
    def test_one_adjudicator_proposes_and_another_makes_it(
        self, site: Site, office: Office, key: int
    ) -> None:
        first = at_desk(site, Role.ADJUDICATOR, name="Ana Ortiz")
        first.open(page_of(key, "/deregistration/propose"))
        first.press("See what follows", {"reason": "Third time.", "public_text": "repeated spam"})
        first.press("Propose it")
        page = first.open(page_of(key, "/deregistration"))
        assert "Strike it off" not in page.text
        second = at_desk(site, Role.ADJUDICATOR)
        assert "mail.muller.com.au" in second.open("/staff/cases/deregistrations").text
        page = second.open(page_of(key, "/deregistration"))
        assert "Ana Ortiz" in page.text
        page = second.press("See what follows", {"decision": "confirm"})
        assert "mail.muller.com.au is deregistered, no longer active" in page.text
        assert "is taken out" in page.text
        assert "from bond held to refunds due" in page.text
        second.press("Strike it off")
        assert treasury.state_of(office, key) is State.DEREGISTERED
        assert second.open(page_of(key, "/deregistration")).status_code == 404

    def test_a_proposal_is_dropped_with_a_reason(
        self, site: Site, office: Office, key: int
    ) -> None:
        browser = at_desk(site, Role.ADJUDICATOR)
        browser.open(page_of(key, "/deregistration/propose"))
        browser.press("See what follows", {"reason": "Third time."})
        browser.press("Propose it")
        browser.open(page_of(key, "/deregistration"))
        assert browser.press("See what follows", {"decision": "drop"}).status_code == 422
        browser.press("See what follows", {"decision": "drop", "reason": "It was the second."})
        browser.press("Drop the proposal")
        assert treasury.state_of(office, key) is State.ACTIVE


def test_a_sponsors_share_is_given_up_on_appeal(site: Site, office: Office) -> None:
    key, (sponsor, *_) = treasury.make_sponsored(office)
    propose(at_desk(site, Role.ADJUDICATOR), key, "0")
    found = forfeiture_of(office, key)
    with office.work() as work:
        found = work.session.get_one(Forfeiture, found.id)
        found.reply_until = work.now
    browser = at_desk(site, Role.ADJUDICATOR)
    browser.open(page_of(key, f"/forfeitures/{found.id}/decision"))
    page = browser.press("See what follows", {"decision": "confirm", "reason": "It is plain."})
    assert "(sponsor share)" in page.text, "what it means for the sponsors is shown too"
    browser.press("Forfeit it")
    share = treasury.open_invoice(office, sponsor, InvoiceKind.SPONSOR_SHARE)
    page = browser.open(page_of(sponsor, "/money"))
    address = page_of(sponsor, f"/shares/{share.id}")
    assert f'href="{address}"' in page.text
    browser.open(address)
    assert browser.press("See what follows", {"reason": ""}).status_code == 422
    browser.press("See what follows", {"reason": "They had given notice by fax."})
    browser.press("Give it up")
    assert not treasury.invoices(office, sponsor, InvoiceKind.SPONSOR_SHARE, InvoiceState.OPEN)
    assert browser.open(page_of(key, f"/shares/{share.id}")).status_code == 404
