"""Cases of a server, and leaving, through the pages."""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.operations import forfeitures
from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import Account
from countersign.storage.database.promises import Sponsorship
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.web.owners import OFFERED, owner_of, server_of, suspend
from tests.registrar.web.visitors import Site


def test_a_suspended_owner_sees_what_lifts_it_and_replies(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    suspend(office, key)
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        forfeitures.propose(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            amount=treasury.BOND,
            reason="Proven spam.",
            offence_on=work.today,
        )
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}")
    assert "Reply to the proposed forfeiture of the bond." in page.text
    assert "spam to a trap" in page.text
    page = browser.open(f"/servers/{key}/cases")
    assert "Close the user&#39;s account." in page.text
    assert "Proven spam." in page.text
    assert browser.press("Send the reply", {"reply": "  "}).status_code == 422
    page = browser.press("Send the reply", {"reply": "It was <not> us."})
    assert "It was &lt;not&gt; us." in page.text
    browser.press("Tell the registrar", {"done": "The account is closed."})
    assert "The registrar has been told" in browser.page.text
    assert "The account is closed." in browser.page.text
    with office.reading() as work:
        assert adjudicator.account_id is not None
        assert work.session.get_one(Account, adjudicator.account_id).name not in browser.page.text
    for _ in range(2):
        browser.press("Tell the registrar", {"done": "Again."})
    assert browser.press("Tell the registrar", {"done": "Again."}).status_code == 422


def test_a_sponsor_replies_to_a_forfeiture(site: Site, office: Office) -> None:
    key, (sponsor, *_) = treasury.make_sponsored(office)
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        forfeitures.propose(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            amount=0,
            reason="Proven spam.",
            offence_on=work.today,
        )
    browser = owner_of(site, sponsor)
    page = browser.open("/sponsorship")
    assert "Accused of spam" in page.text
    with office.reading() as work:
        one = work.session.scalars(
            select(Sponsorship).where(Sponsorship.sponsor_id == sponsor)
        ).one()
    browser.open(f"/sponsorship/{one.id}")
    browser.press("Send the reply", {"reply": "We knew nothing of it."})
    assert "Your reply is with the registrar." in browser.page.text
    page = owner_of(site, key).open(f"/servers/{key}/cases")
    assert "We knew nothing of it." in page.text


def test_leaving_says_what_happens_to_the_bond(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}/withdraw")
    assert "The bond of <strong>US$2,500.00</strong> is set aside" in page.text
    browser.press("End the registration", {"sure": "yes"})
    assert server_of(office, key).state is State.WITHDRAWN
    page = browser.open(f"/servers/{key}/money")
    assert "To be paid out to you" in page.text


def test_nobody_leaves_while_suspended(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    suspend(office, key)
    page = owner_of(site, key).open(f"/servers/{key}/withdraw")
    assert "cannot be withdrawn" in page.text


def test_a_decision_made_meanwhile_is_not_overridden(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/withdraw")
    suspend(office, key)
    assert browser.press("End the registration", {"sure": "yes"}).status_code == 409
    assert server_of(office, key).state is State.SUSPENDED


def test_money_owed_as_a_sponsor_is_named(site: Site, office: Office) -> None:
    key, (sponsor, *_) = treasury.make_sponsored(office)
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        found = forfeitures.propose(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            amount=0,
            reason="Proven spam.",
            offence_on=work.today,
        )
    office.clock.advance(days=15)  # type: ignore[attr-defined]
    with office.work() as work:
        assert forfeitures.execute_if_due(work, found.id)
    browser = owner_of(site, sponsor)
    page = browser.open(f"/servers/{sponsor}")
    assert "Pay the share that you owe as a sponsor of US$833.34" in page.text
    assert "Share as a sponsor" in browser.open(f"/servers/{sponsor}/money").text
    assert "Shares that were claimed" in browser.open("/sponsorship").text
