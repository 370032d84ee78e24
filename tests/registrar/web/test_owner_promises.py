"""Contract, money and sponsors of a server, through the pages."""

from __future__ import annotations

import re

from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import Account
from countersign.storage.database.money import InvoiceKind
from countersign.storage.database.promises import Sponsorship, SponsorshipState
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.web.owners import OFFERED, owner_of, server_of
from tests.registrar.web.visitors import Site


def test_an_offer_is_taken_up_through_the_pages(site: Site, office: Office) -> None:
    key = life.make_offered(office, registered_on=treasury.YOUNG)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}")
    assert f'href="/servers/{key}/contract"' in browser.page.text
    page = browser.open(f"/servers/{key}/contract")
    assert "Registration contract for a mail server" in page.text
    page = browser.press("Accept the contract")
    assert page.status_code == 422
    assert "Tick the box" in page.text
    browser.press("Accept the contract", {"accept": "yes"})
    assert "You have accepted the contract." in browser.page.text
    (link,) = re.findall(r'href="(/servers/\d+/contracts/\d+\.pdf)"', browser.page.text)
    pdf = browser.visitor.get(link)
    assert pdf.content.startswith(b"%PDF")
    assert "attachment" in pdf.headers["content-disposition"]

    page = browser.open(f"/servers/{key}")
    assert "Pay the security bond of US$2,500.00 and the yearly fee of US$120.00" in page.text
    page = browser.open(f"/servers/{key}/money")
    assert "RF" in page.text
    treasury.pay_all(office, key)
    page = browser.open(f"/servers/{key}")
    assert "the server may send" in page.text
    assert server_of(office, key).state is State.ACTIVE


def test_a_contract_that_changed_since_it_was_read_is_shown_anew(
    site: Site, office: Office
) -> None:
    key = treasury.make_offered(office, **OFFERED)
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/contract")
    # The contract names the sponsors.
    treasury.vouch(office, key, treasury.make_trusted(office))
    page = browser.press("Accept the contract", {"accept": "yes"})
    assert page.status_code == 409
    assert "has changed since you read it" in page.text
    page = browser.press("Accept the contract", {"accept": "yes"})
    assert "You have accepted the contract." in page.text


def test_model_agreements_are_filled_in(site: Site) -> None:
    key = life.make_submitted(site.office)
    browser = owner_of(site, key)
    for kind in ("user-agreement", "privileged-user-agreement"):
        page = browser.open(f"/servers/{key}/agreements/{kind}.pdf")
        assert page.content.startswith(b"%PDF")
    assert browser.open(f"/servers/{key}/agreements/registration-contract.pdf").status_code == 404


def test_invoices_receipts_and_statements_are_documents(site: Site, office: Office) -> None:
    key = treasury.make_active(office, **OFFERED)
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}/money")
    papers = re.findall(r'href="(/servers/\d+/(?:invoices|receipts)/\d+\.pdf)"', page.text)
    assert len(papers) == 4
    for paper in papers:
        assert browser.open(paper).content.startswith(b"%PDF")
    page = browser.open(f"/servers/{key}/statement")
    assert "US$2,500.00" in page.text
    assert "Fee charged" in page.text
    assert browser.open(f"/servers/{key}/statement.pdf").content.startswith(b"%PDF")
    rows = browser.open(f"/servers/{key}/statement.csv").text.splitlines()
    assert rows[0] == "date,entry,account,amount,balance,currency"
    assert rows[-1].endswith(",2500.00,USD")
    assert len(rows) == 4


def test_an_invoice_of_another_server_is_not_given_out(site: Site, office: Office) -> None:
    mine = treasury.make_offered(office, **OFFERED)
    other = treasury.make_offered(office, **OFFERED)
    invoice = treasury.open_invoice(office, other, InvoiceKind.FEE)
    browser = owner_of(site, mine)
    for path in (f"/servers/{mine}/invoices/{invoice.id}.pdf", f"/servers/{other}/money"):
        assert browser.open(path).status_code == 404


def test_a_sponsor_is_asked_accepts_and_the_bond_falls_away(site: Site, office: Office) -> None:
    key = treasury.make_offered(office, **OFFERED)
    sponsors = [treasury.make_trusted(office) for _ in range(3)]
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/sponsors")
    page = browser.press("Ask", {"hostname": "nobody.example.org"})
    assert page.status_code == 422
    assert 'value="nobody.example.org"' in page.text
    for sponsor in sponsors:
        name = server_of(office, sponsor).hostname
        assert "has been sent" in browser.press("Ask", {"hostname": name.upper()}).text
    for number, sponsor in enumerate(sponsors):
        other = owner_of(site, sponsor)
        page = other.open("/sponsorship")
        assert "US$833.34" in page.text
        (link,) = re.findall(r'href="(/sponsorship/\d+)"', page.text)
        page = other.open(link)
        assert "Undertaking of a sponsor" in page.text
        assert other.press("Vouch for this server").status_code == 422
        other.press("Vouch for this server", {"accept": "yes"})
        assert "You vouch for" in other.page.text
        assert f"{number + 1} of 3" in browser.open(f"/servers/{key}/sponsors").text
    assert "no bond is asked for" in browser.page.text
    with office.reading() as work:
        names = [
            work.session.get_one(Account, work.session.get_one(Server, one).owner_id).name
            for one in sponsors
        ]
    page = browser.open(f"/servers/{key}/events")
    assert f"the owner of {server_of(office, sponsors[0]).hostname}" in page.text
    assert not [name for name in names if f">{name}<" in page.text or f"{name}," in page.text]


def test_a_sponsor_declines_and_takes_back(site: Site, office: Office) -> None:
    key = treasury.make_offered(office, **OFFERED)
    one, two = treasury.make_trusted(office), treasury.make_trusted(office)
    first, second = treasury.ask(office, key, one), treasury.vouch(office, key, two)
    browser = owner_of(site, one)
    assert browser.open(f"/sponsorship/{second}").status_code == 404
    browser.open(f"/sponsorship/{first}")
    browser.press("Decline")
    assert "You have declined" in browser.page.text
    browser = owner_of(site, two)
    browser.open(f"/sponsorship/{second}")
    browser.press("Give notice")
    with office.reading() as work:
        states = [work.session.get_one(Sponsorship, k).state for k in (first, second)]
    assert states == [SponsorshipState.DECLINED, SponsorshipState.ENDED]


def test_a_question_to_a_sponsor_is_withdrawn(site: Site, office: Office) -> None:
    key = treasury.make_offered(office, **OFFERED)
    asked = treasury.ask(office, key, treasury.make_trusted(office))
    browser = owner_of(site, key)
    browser.open(f"/servers/{key}/sponsors")
    browser.press("Withdraw the question")
    with office.reading() as work:
        assert work.session.get_one(Sponsorship, asked).state is SponsorshipState.ENDED
