"""From the screening to the registration: test, sponsors, bond, contract, fee."""

from __future__ import annotations

import datetime

from tests.registrar.browser import decisions
from tests.registrar.browser.papers import BEN, HARBOUR, OUTBACK, ZOE, Credit, statement
from tests.registrar.browser.person import Person
from tests.registrar.browser.town import Sponsor

_FEE, _LARGE_BOND = 12_000, 750_000


def wait_for_the_test(owner: Person, hostname: str, base: str) -> None:
    """Wait until the server has passed its relay test, and see how it went."""
    owner.town.gateways[hostname].wait_for_greeting()
    owner.open(base)
    owner.wait_for("Accept the contract")
    assert "Offered" in owner.heading()
    owner.follow("Tests")
    owner.follow("Report")
    assert owner.says("Passed")
    assert not owner.says("Failed: to be put right")
    if hostname == HARBOUR:
        owner.picture("relay-test")


def find_sponsors(zoe: Person, base: str, sponsors: list[tuple[Sponsor, Person]]) -> None:
    """Ask owners of trusted servers to vouch; each does, having read what is at stake."""
    zoe.open(f"{base}/money")
    assert zoe.says("$2,500.00")
    zoe.picture("bond-and-fee-to-pay", phone=True)
    zoe.open(f"{base}/sponsors")
    for sponsor, _ in sponsors:
        zoe.fill({"hostname": sponsor.hostname})
        zoe.press("Ask", exact=True)
    for number, (sponsor, person) in enumerate(sponsors):
        person.open(person.town.mailbox.link(sponsor.email, f"Will you sponsor {HARBOUR}"))
        person.sign_in()
        assert person.heading().startswith(f"Vouching for {HARBOUR}")
        assert person.says("$833.34")
        if not number:
            person.picture("undertaking", phone=True)
        person.main.locator('[name="accept"]').check()
        person.press("Vouch for this server")
    zoe.open(f"{base}/sponsors")
    assert zoe.says("3 of 3")
    assert zoe.says("no bond is asked for")
    zoe.picture("sponsors")
    zoe.town.mailbox.letter(ZOE, HARBOUR)


def accept_contract(owner: Person, base: str) -> bytes:
    """Read the contract and accept it; returns the PDF of what was accepted."""
    owner.open(f"{base}/contract")
    if owner.email == ZOE:
        owner.picture("contract")
    owner.main.locator('[name="accept"]').check()
    owner.press("Accept the contract")
    owner.open(f"{base}/contract")
    assert owner.says("which is the present one")
    return owner.download("PDF of version")


def pay_by_bank(tomas: Person, ben: Person, base: str) -> None:
    """Take in the bank's statement, with the references that the company's invoices have."""
    ben.open(f"{base}/money")
    assert ben.says("$7,500.00")
    ben.picture("large-bond")
    cards = ben.main.locator(".card").filter(has_text="To pay:")
    references = {
        "bond" if "bond" in card.inner_text().lower().split("\n")[0] else "fee": (
            card.locator(".copyable code").inner_text()
        )
        for card in cards.all()
    }
    file = statement(
        [
            Credit(_LARGE_BOND, "Outback Post Pty Ltd", f"Bond {references['bond']}"),
            Credit(_FEE, "Outback Post Pty Ltd", references["fee"]),
            Credit(5_000, "Somebody Else", "without a reference"),
        ]
    )
    tomas.open("/staff/payments")
    tomas.follow("Upload a statement")
    tomas.main.get_by_label("Statement").set_input_files(file)
    tomas.press("Take it in")
    tomas.picture("statement", phone=True)
    figures = tomas.main.locator(".figure").filter(has_text="payments matched")
    assert figures.locator("dd").first.inner_text() == "2"
    tomas.open("/staff/payments")
    assert tomas.says("Somebody Else")


def pay_by_hand(tomas: Person, zoe: Person, base: str) -> None:
    """Record a payment that came by another way."""
    zoe.open(f"{base}/money")
    reference = zoe.main.locator(".copyable code").inner_text()
    tomas.open("/staff/payments/record")
    tomas.fill(
        {
            "amount": "120.00",
            "received_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "key": "cheque 1187",
            "text": f"Registration {reference}",
            "payer": "Zoë Müller",
        }
    )
    tomas.press("See what follows")
    tomas.picture("confirm-a-payment")
    decisions.confirm(tomas)
    assert tomas.says("all of it is allocated")


def look_at_the_ledger(tomas: Person) -> None:
    """See that all balances come to zero."""
    tomas.open("/staff/ledger")
    assert tomas.says("Sums to zero")
    tomas.picture("ledger")


def see_it_active(owner: Person, base: str, hostname: str) -> None:
    """See that the server may send, everywhere where that is said."""
    owner.town.wait_for_entry(hostname, "registered")
    owner.open(base)
    assert "Active" in owner.heading()
    email = {HARBOUR: ZOE, OUTBACK: BEN}[hostname]
    owner.town.mailbox.letter(email, f"{hostname} is registered")
