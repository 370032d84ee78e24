"""Treasurers at work through the pages: payments, statements, refunds, debits."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from countersign.registrar.money.reference import format_reference, make_reference
from countersign.registrar.operations import applications, payments
from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.money import (
    BankDebit,
    DebitState,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Payment,
    Purpose,
)
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.operations import life, treasury
from tests.registrar.operations.test_money_import import entry, statement
from tests.registrar.operations.treasury import BOND, FEE
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.visitors import Site

LIST = "/staff/payments"
SEEN: dict[str, Any] = {
    "amount": "2,500.00",
    "currency": "USD",
    "received_on": "2026-03-01",
    "key": "BANK-77",
    "payer": "M. Chen",
}


@pytest.fixture
def browser(site: Site) -> Filler:
    return at_desk(site, Role.TREASURER, name="Tom Reed")


@pytest.fixture
def key(office: Office) -> int:
    """A server that was offered registration, for a bond and a fee."""
    return treasury.make_offered(office, hostname="mail.muller.com.au")


def record(browser: Filler, text: str = "", **changes: str) -> int:
    """Record a payment by hand; return its key."""
    browser.open(f"{LIST}/record")
    browser.press("See what follows", {**SEEN, "text": text, **changes})
    page = browser.press("Record it")
    return int(page.text.partition("Payment ")[2].partition(" is recorded")[0])


def unallocated(office: Office, amount: int = 5000, key: str = "K-1") -> int:
    treasurer = treasury.treasurer(office)
    with office.work() as work:
        receipt = treasury.receipt(office, None, amount, key=key)
        return payments.record(work, treasurer, receipt).id


class TestRecording:
    def test_a_payment_that_names_its_invoice_is_put_there(
        self, browser: Filler, office: Office, key: int
    ) -> None:
        bond = treasury.open_invoice(office, key, InvoiceKind.BOND)
        browser.open(f"{LIST}/record")
        page = browser.press("See what follows", {**SEEN, "text": make_reference(bond.id)})
        assert "US$2,500.00 from the bank to unallocated payments" in page.text
        assert "US$2,500.00 from unallocated payments to bond held" in page.text
        assert f"Invoice {bond.id} is paid" in page.text
        with office.reading() as work:
            assert work.session.scalar(select(Payment.id)) is None
        page = browser.press("Record it")
        assert "all of it is allocated" in page.text
        assert treasury.balances(office, key)[Purpose.BOND_HELD] == BOND

    def test_the_same_reference_counts_once(
        self, browser: Filler, office: Office, key: int
    ) -> None:
        first = record(browser)
        assert record(browser) == first
        browser.open(f"{LIST}/record")
        page = browser.press("See what follows", {**SEEN, "amount": "1.00"})
        assert page.status_code == 409
        assert "recorded already" in page.text

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": ""},
            {"amount": "-5"},
            {"amount": "1.001"},
            {"amount": "=1+1"},
            {"currency": "QQQ"},
            {"received_on": ""},
            {"received_on": "2036-01-01"},
            {"key": ""},
        ],
    )
    def test_what_cannot_be_is_not_recorded(self, browser: Filler, changes: dict[str, str]) -> None:
        browser.open(f"{LIST}/record")
        page = browser.press("See what follows", {**SEEN, **changes})
        assert page.status_code == 422
        assert "M. Chen" in page.text, "what was typed in stays"


class TestAllocation:
    @pytest.mark.parametrize("by", ["reference", "number", "host"])
    def test_a_payment_is_put_to_the_invoice_that_is_found(
        self, browser: Filler, office: Office, key: int, by: str
    ) -> None:
        fee = treasury.open_invoice(office, key, InvoiceKind.FEE)
        payment = unallocated(office)
        assert f'href="{LIST}/{payment}"' in browser.open(LIST).text
        browser.open(f"{LIST}/{payment}")
        text = {
            "reference": format_reference(make_reference(fee.id)),
            "number": str(fee.id),
            "host": "MAIL.mull",
        }[by]
        page = browser.press("Find invoices", {"invoice": text})
        address = f"{LIST}/{payment}/allocate?invoice={fee.id}"
        assert f'href="{address}"' in page.text
        page = browser.open(address)
        assert 'value="50.00"' in page.text
        page = browser.press("See what follows")
        assert "US$50.00 from unallocated payments to fees" in page.text
        page = browser.press("Put it there")
        assert "US$50.00 were put to invoice" in page.text
        assert treasury.payment_of(office, payment).allocated == 5000

    def test_more_than_there_is_cannot_be_allocated(
        self, browser: Filler, office: Office, key: int
    ) -> None:
        fee = treasury.open_invoice(office, key, InvoiceKind.FEE)
        payment = unallocated(office)
        browser.open(f"{LIST}/{payment}/allocate?invoice={fee.id}")
        page = browser.press("See what follows", {"amount": "50.01"})
        assert page.status_code == 422
        assert "are left" in page.text

    def test_of_two_treasurers_the_second_is_told(
        self, site: Site, browser: Filler, office: Office, key: int
    ) -> None:
        fee = treasury.open_invoice(office, key, InvoiceKind.FEE)
        payment = unallocated(office)
        other = at_desk(site, Role.TREASURER)
        for one in (browser, other):
            one.open(f"{LIST}/{payment}/allocate?invoice={fee.id}")
            one.press("See what follows", {"amount": "20.00"})
        browser.press("Put it there")
        page = other.press("Put it there")
        assert page.status_code == 409
        assert "Somebody else has used this payment" in page.text
        assert treasury.payment_of(office, payment).allocated == 2000

    def test_nobody_puts_money_to_an_invoice_of_his_own(self, site: Site, office: Office) -> None:
        owner = life.make_account(office, "boss@muller.com.au", Role.TREASURER)
        key = treasury.make_offered(office, owner=owner)
        fee = treasury.open_invoice(office, key, InvoiceKind.FEE)
        payment = unallocated(office)
        browser = at_desk(site, account_id=owner)
        browser.open(f"{LIST}/{payment}/allocate?invoice={fee.id}")
        assert browser.press("See what follows").status_code == 403

    def test_an_allocation_is_undone_and_a_payment_taken_back(
        self, browser: Filler, office: Office, key: int
    ) -> None:
        bond = treasury.open_invoice(office, key, InvoiceKind.BOND)
        payment = treasury.pay(office, bond)
        page = browser.open(f"{LIST}/{payment}")
        address = page.text.partition(f'href="{LIST}/{payment}/undo/')[2].partition('"')[0]
        browser.open(f"{LIST}/{payment}/undo/{address}")
        assert browser.press("See what follows").status_code == 422
        browser.press("See what follows", {"reason": "For another host."})
        browser.press("Undo it")
        assert treasury.payment_of(office, payment).allocated == 0
        browser.open(f"{LIST}/{payment}/take-back")
        assert browser.press("See what follows").status_code == 422
        browser.press("See what follows", {"reason": "Recorded twice."})
        browser.press("Take it back")
        assert treasury.payment_of(office, payment).taken_back_at is not None
        treasury.check_ledger(office)


class TestWithoutInvoice:
    def test_money_goes_back_to_the_payer(self, browser: Filler, office: Office) -> None:
        payment = unallocated(office)
        browser.open(f"{LIST}/{payment}/return")
        browser.press("See what follows", {"bank_reference": "OUT-1"})
        browser.press("It was sent back")
        assert treasury.balances(office)[Purpose.UNALLOCATED] == 0
        assert treasury.balances(office)[Purpose.BANK] == 0

    def test_a_charge_comes_back(self, browser: Filler, office: Office) -> None:
        payment = unallocated(office)
        browser.open(f"{LIST}/{payment}/not-for-us")
        browser.press("See what follows", {"reason": "Interest."})
        browser.press("Book it to charges")
        assert treasury.balances(office)[Purpose.CHARGES] == 5000


class TestRefunds:
    @pytest.fixture
    def left(self, office: Office) -> int:
        """A server whose owner has left, and is to get the bond back."""
        key = treasury.make_active(office, hostname="mail.leaving.com.au")
        with office.work() as work:
            row = work.session.get_one(Server, key)
            applications.withdraw(work, treasury.owner_of(work, row), row)
        return key

    def account_of(self, office: Office, key: int) -> int:
        with office.reading() as work:
            return work.session.scalars(
                select(LedgerAccount.id).where(
                    LedgerAccount.server_id == key, LedgerAccount.purpose == Purpose.REFUND_DUE
                )
            ).one()

    def pay_out(self, browser: Filler, office: Office, key: int) -> None:
        browser.open(f"{LIST}/payouts/{self.account_of(office, key)}")
        browser.press("See what follows", {"bank_reference": "OUT-7"})
        browser.press("It was paid")

    def test_a_refund_is_paid_out(self, browser: Filler, office: Office, left: int) -> None:
        assert "mail.leaving.com.au" in browser.open("/staff").text
        assert "mail.leaving.com.au" in browser.open(f"{LIST}/payouts").text
        browser.open(f"{LIST}/payouts/{self.account_of(office, left)}")
        page = browser.press("See what follows", {"bank_reference": "OUT-7"})
        assert "US$2,500.00 from refunds due to the bank" in page.text
        browser.press("It was paid")
        assert treasury.balances(office, left)[Purpose.REFUND_DUE] == 0
        assert "Nothing is due to an owner" in browser.page.text

    def test_a_reference_is_good_once(self, browser: Filler, office: Office, left: int) -> None:
        address = f"{LIST}/payouts/{self.account_of(office, left)}"
        browser.open(address)
        browser.press("See what follows", {"amount": "1000", "bank_reference": "OUT-7"})
        browser.press("It was paid")
        browser.open(address)
        page = browser.press("See what follows", {"bank_reference": "OUT-7"})
        assert page.status_code == 422
        assert "recorded already" in page.text

    def test_of_two_the_second_is_told(
        self, site: Site, browser: Filler, office: Office, left: int
    ) -> None:
        other = at_desk(site, Role.TREASURER)
        other.open(f"{LIST}/payouts/{self.account_of(office, left)}")
        other.press("See what follows", {"bank_reference": "OUT-8"})
        self.pay_out(browser, office, left)
        assert other.press("It was paid").status_code == 409

    def test_a_payout_that_came_back_is_due_again(
        self, browser: Filler, office: Office, left: int
    ) -> None:
        self.pay_out(browser, office, left)
        payment = unallocated(office, BOND, "returned")
        page = browser.open(f"{LIST}/{payment}/came-back")
        number = page.text.partition('name="payout" type="radio" value="')[2].partition('"')[0]
        browser.press("See what follows", {"payout": number})
        browser.press("It came back")
        assert treasury.balances(office, left)[Purpose.REFUND_DUE] == BOND
        treasury.check_ledger(office)


class TestStatements:
    def upload(self, browser: Filler, *entries: str) -> Any:
        browser.open(f"{LIST}/statement")
        return browser.press("Take it in", file=statement(*entries).read())

    def test_a_statement_says_what_was_matched_and_what_not(
        self, browser: Filler, office: Office, key: int
    ) -> None:
        fee = treasury.open_invoice(office, key, InvoiceKind.FEE)
        entries = (
            entry(FEE, make_reference(fee.id), ref="A1"),
            entry(4200, "no idea", ref="A2"),
            entry(300, "account fee", ref="A3", debit=True),
        )
        page = self.upload(browser, *entries)
        assert browser.path.startswith(f"{LIST}/statement/")
        for number, label in ((1, "payments matched"), (1, "payments not matched")):
            assert f">{number}<" in page.text
            assert label in page.text
        assert "no idea" in page.text
        assert treasury.open_invoice(office, key, InvoiceKind.BOND)
        assert not treasury.invoices(office, key, InvoiceKind.FEE, InvoiceState.OPEN)
        (record,) = looks(office, "statement imported")
        assert record.details["matched"] == 1
        page = self.upload(browser, *entries)
        assert "No payment in it was new" in page.text
        assert looks(office, "statement imported")[-1].details["known"] == 3

    def test_a_debit_is_explained(self, browser: Filler, office: Office) -> None:
        self.upload(browser, entry(300, "account fee", ref="A3", debit=True))
        assert "account fee" in browser.open(f"{LIST}/debits").text
        with office.reading() as work:
            debit = work.session.scalars(select(BankDebit)).one()
        browser.open(f"{LIST}/debits/{debit.id}")
        assert browser.press("See what follows", {"meaning": "charge"}).status_code == 422
        browser.press("See what follows", {"meaning": "charge", "reason": "Account fee."})
        browser.press("That is what it is")
        with office.reading() as work:
            assert work.session.get_one(BankDebit, debit.id).state is DebitState.CHARGE
        assert treasury.balances(office)[Purpose.CHARGES] == -300

    def test_a_debit_takes_a_payment_back(self, browser: Filler, office: Office, key: int) -> None:
        bond = treasury.open_invoice(office, key, InvoiceKind.BOND)
        payment = treasury.pay(office, bond)
        self.upload(browser, entry(BOND, "chargeback", ref="A9", debit=True))
        with office.reading() as work:
            debit = work.session.scalars(select(BankDebit)).one()
        browser.open(f"{LIST}/debits/{debit.id}")
        page = browser.press("See what follows", {"meaning": f"reversal:{payment}"})
        assert "from bond held to unallocated payments" in page.text
        browser.press("That is what it is")
        assert treasury.payment_of(office, payment).taken_back_at is not None
        treasury.check_ledger(office)

    @pytest.mark.parametrize(
        "content", [b"", b"hello", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']
    )
    def test_what_is_no_statement_is_refused(
        self, browser: Filler, office: Office, content: bytes
    ) -> None:
        browser.open(f"{LIST}/statement")
        page = browser.press("Take it in", file=content)
        assert page.status_code == 422
        assert not looks(office, "statement imported")


def test_money_wants_a_fresh_proof_of_who_moves_it(
    site: Site, office: Office, key: int, clock: Clock
) -> None:
    visitor = site.visitor(Role.TREASURER)
    payment = unallocated(office)
    clock.advance(minutes=11)
    assert visitor.get(f"{LIST}/{payment}").status_code == 200
    for path in ("record", "statement", f"{payment}/allocate", f"{payment}/take-back"):
        for answer in (visitor.get(f"{LIST}/{path}"), visitor.post(f"{LIST}/{path}", SEEN)):
            assert answer.headers["location"].startswith("/account/prove"), path


@pytest.mark.parametrize(
    "role", [Role.SCREENER, Role.ADJUDICATOR, Role.AUDITOR, Role.ADMINISTRATOR]
)
def test_nobody_else_moves_money(site: Site, office: Office, role: Role) -> None:
    payment = unallocated(office)
    visitor = site.visitor(role)
    for path in (LIST, f"{LIST}/{payment}", f"{LIST}/record", f"{LIST}/payouts", f"{LIST}/debits"):
        assert visitor.get(path).status_code == 403, path
    assert visitor.post(f"{LIST}/record", SEEN).status_code == 403
    assert visitor.post(f"{LIST}/{payment}/return", {"amount": "1"}).status_code == 403


def test_a_whole_registration_becomes_active_by_what_a_treasurer_records(
    browser: Filler, office: Office, key: int
) -> None:
    treasury.accept_contract(office, key)
    for kind, amount, name in (
        (InvoiceKind.BOND, "2500", "B-1"),
        (InvoiceKind.FEE, "120", "B-2"),
    ):
        invoice = treasury.open_invoice(office, key, kind)
        record(browser, make_reference(invoice.id), amount=amount, key=name)
    assert treasury.state_of(office, key) is State.ACTIVE
