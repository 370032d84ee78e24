"""The agent's portal: own applicants only, and what an agent cannot do."""

from __future__ import annotations

from countersign.registrar.operations import accreditations
from countersign.registrar.operations.office import Actor, Office
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account
from countersign.storage.database.servers import Server
from tests.registrar.operations import life
from tests.registrar.particulars import examples
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.visitors import Site, add_account


def agent_at(site: Site) -> tuple[Filler, int]:
    account = add_account(site.office, Role.AGENT)
    return Filler(site.visitor(account_id=account)), account


def test_an_agent_begins_an_application_for_an_owner(site: Site, office: Office) -> None:
    browser, account = agent_at(site)
    assert "You have no applicants yet" in browser.open("/agent").text
    browser.open("/agent/new")
    host = {"hostname": "mail.muller.com.au", "kind": "individual"}
    page = browser.press("Begin the application", {**host, "owner_email": "nonsense"})
    assert page.status_code == 422
    assert 'value="mail.muller.com.au"' in page.text
    browser.press(
        "Begin the application", {"owner_email": "zoe@muller.com.au", "owner_name": "Zoë Müller"}
    )
    key = int(browser.path.split("/")[2])
    browser.press("Save and continue", dict(examples.OWNER))
    with office.reading() as work:
        server = work.session.get_one(Server, key)
        owner = work.session.get_one(Account, server.owner_id)
    assert (server.agent_id, owner.email) == (account, "zoe@muller.com.au")
    page = browser.open("/agent")
    assert "mail.muller.com.au" in page.text
    assert "Zoë Müller" in page.text
    page = browser.open(f"/servers/{key}/application/review")
    assert "Not confirmed yet" in page.text
    life.confirm_contacts(office, key)
    site_owner = Filler(site.visitor(account_id=owner.id))
    assert f'href="/servers/{key}"' in site_owner.open("/servers").text


def test_an_agent_sees_own_applicants_only(site: Site, office: Office) -> None:
    browser, mine = agent_at(site)
    other, theirs = agent_at(site)
    key = life.make_draft(office, agent=mine, hostname="mail.mine.com.au")
    browser.open("/agent")
    assert "mail.mine.com.au" in browser.page.text
    assert "mail.mine.com.au" not in other.open("/agent").text
    assert theirs != mine
    for path in ("", "/application/owner", "/money", "/contract"):
        assert other.open(f"/servers/{key}{path}").status_code == 404
        assert browser.open(f"/servers/{key}{path}").status_code == 200


def test_applicants_are_found_by_queue_and_by_host(site: Site, office: Office) -> None:
    browser, mine = agent_at(site)
    life.make_draft(office, agent=mine, hostname="alpha.agency.com.au", complete=False)
    life.make_submitted(office, agent=mine, hostname="beta.agency.com.au")
    page = browser.open("/agent")
    assert "All (2)" in page.text
    assert "With the registrar (1)" in page.text
    page = browser.open("/agent?queue=drafts")
    assert "alpha.agency.com.au" in page.text
    assert "beta.agency.com.au" not in page.text
    page = browser.press("Search by host name", {"q": "BETA."})
    assert "No applicant here whose host name begins with that." in page.text
    browser.open("/agent")
    page = browser.press("Search by host name", {"q": "BETA."})
    assert "beta.agency.com.au" in page.text
    assert "alpha.agency.com.au" not in page.text
    assert browser.open("/agent?q=%25&queue=nonsense").status_code == 200


def test_the_contract_is_not_for_the_agent(site: Site, office: Office) -> None:
    browser, mine = agent_at(site)
    key = life.make_offered(office, agent=mine)
    page = browser.open(f"/servers/{key}/contract")
    assert "The owner accepts, not the agent" in page.text
    assert not [label for form in browser.forms for label, *_ in form.buttons if "Accept" in label]
    answer = browser.visitor.post(f"/servers/{key}/contract", {"accept": "yes"})
    assert answer.status_code == 403


def test_an_agent_whose_accreditation_ends_sees_nothing_more(site: Site, office: Office) -> None:
    account = life.make_account(office, name="Agnes")
    administrator = life.staff(office, Role.ADMINISTRATOR)
    with office.work() as work:
        asked = accreditations.ask(work, Actor(Role.OWNER, account), "Agency", "Customers")
        accreditations.decide(work, administrator, asked.id, accept=True, reason="")
    key = life.make_draft(office, agent=account)
    browser = Filler(site.visitor(account_id=account))
    assert browser.open(f"/servers/{key}").status_code == 200
    with office.work() as work:
        accreditations.withdraw(work, administrator, asked.id, reason="Ended.")
    browser = Filler(site.visitor(account_id=account))
    assert browser.open("/agent").status_code == 403
    assert browser.open(f"/servers/{key}").status_code == 404
    assert "You have no server here yet" in browser.open("/servers").text


def test_the_agents_pages_are_for_agents(site: Site) -> None:
    for path in ("/agent", "/agent/new"):
        assert site.visitor().get(path).status_code == 403
        assert site.visitor(Role.SCREENER).get(path).status_code == 403
        assert site.anonymous().get(path).status_code == 303
