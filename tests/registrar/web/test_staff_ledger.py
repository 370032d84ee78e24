"""The ledger through the pages: balance, entries, accounts, invoices, export."""

from __future__ import annotations

import csv
import io

import pytest

from countersign.registrar.operations import payments
from countersign.registrar.operations.intake import Receipt
from countersign.registrar.operations.ledger_months import by_month
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.statements import carry_forward
from countersign.rules.roles import Role
from countersign.storage.database.money import Purpose
from tests.registrar.conftest import Clock
from tests.registrar.operations import treasury
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.visitors import Site

LEDGER = "/staff/ledger"


@pytest.fixture
def key(office: Office) -> int:
    """An active server that has paid bond and fee."""
    return treasury.make_active(office, hostname="mail.muller.com.au")


@pytest.mark.parametrize("role", [Role.TREASURER, Role.AUDITOR])
def test_the_balance_comes_to_zero(site: Site, role: Role, key: int) -> None:
    page = site.visitor(role).get(LEDGER)
    assert "Sums to zero" in page.text
    assert "US$2,620.00" in page.text
    assert "Fees in USD" in page.text


@pytest.mark.parametrize("role", [Role.SCREENER, Role.ADJUDICATOR, Role.ADMINISTRATOR])
def test_others_see_nothing_of_it(site: Site, role: Role) -> None:
    visitor = site.visitor(role)
    for path in ("", "/entries", "/accounts", "/invoices", "/export"):
        assert visitor.get(f"{LEDGER}{path}").status_code == 403, path
    assert visitor.post(f"{LEDGER}/export").status_code == 403


def test_entries_are_found_by_host_kind_time_and_account(
    site: Site, office: Office, key: int
) -> None:
    other = treasury.make_active(office, hostname="mx.other.com.au")
    browser = at_desk(site, Role.AUDITOR)

    def hosts(query: str) -> tuple[bool, bool]:
        text = browser.open(f"{LEDGER}/entries?{query}").text
        return f"/servers/{key}/money" in text, f"/servers/{other}/money" in text

    assert hosts("") == (True, True)
    assert hosts("host=MAIL.muller.com.au") == (True, False)
    assert hosts("kind=allocation") == (True, True)
    assert hosts("kind=payment") == (False, False), "a payment is nobody's yet"
    assert hosts("begin=2026-03-02&end=2026-03-02") == (True, True)
    assert hosts("begin=2026-03-03") == (False, False)
    assert "There is no server of this name" in browser.open(f"{LEDGER}/entries?host=a.b").text
    page = browser.open(f"{LEDGER}/accounts")
    assert "mail.muller.com.au" in page.text
    account = page.text.partition("/entries?account=")[2].partition('"')[0]
    assert hosts(f"account={account}") == (True, False)
    assert hosts(f"account={account}&kind=refund") == (False, False)


def test_entries_go_on_page_by_page(site: Site, office: Office) -> None:
    treasurer = treasury.treasurer(office)
    for number in range(60):
        with office.work() as work:
            receipt = Receipt(f"K{number}", 1000 + number, "USD", work.today)
            payments.record(work, treasurer, receipt)
    visitor = site.visitor(Role.AUDITOR)
    for filters in ("", "begin=2026-03-01", "kind=payment"):
        first = visitor.get(f"{LEDGER}/entries?{filters}").text
        assert "US$10.59" in first
        assert "US$10.00" not in first
        address = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        second = visitor.get(address).text
        assert "US$10.00" in second
        assert "US$10.59" not in second


def test_invoices_are_listed_by_state(site: Site, office: Office, key: int) -> None:
    treasury.make_offered(office, hostname="mx.other.com.au")
    browser = at_desk(site, Role.TREASURER)
    assert "mx.other.com.au" in browser.open(f"{LEDGER}/invoices").text
    assert "mail.muller.com.au" not in browser.page.text
    assert "mail.muller.com.au" in browser.open(f"{LEDGER}/invoices?state=paid").text
    assert "No invoice is cancelled" in browser.open(f"{LEDGER}/invoices?state=cancelled").text


class TestExport:
    def rows(self, text: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(text)))

    def test_all_entries_come_and_that_they_were_taken_is_recorded(
        self, site: Site, office: Office, key: int
    ) -> None:
        browser = at_desk(site, Role.AUDITOR)
        browser.open(f"{LEDGER}/export")
        page = browser.press("Download")
        assert page.headers["content-type"].startswith("text/csv")
        assert page.headers["content-disposition"] == 'attachment; filename="ledger-2026-03-02.csv"'
        assert page.headers["cache-control"] == "no-store"
        rows = self.rows(page.text)
        assert [row["kind"] for row in rows] == ["payment", "allocation"] * 2
        assert sum(int(row["amount (minor unit)"]) for row in rows) == 2 * 262_000
        (record,) = looks(office, "ledger exported")
        assert record.account_id == browser.visitor.account_id

    def test_a_time_can_be_chosen(self, site: Site, office: Office, key: int, clock: Clock) -> None:
        clock.advance(days=2)
        treasury.make_active(office)
        browser = at_desk(site, Role.TREASURER)
        browser.open(f"{LEDGER}/export")
        page = browser.press("Download", {"begin": "2026-03-01", "end": "2026-03-02"})
        assert len(self.rows(page.text)) == 4
        page = browser.visitor.post(f"{LEDGER}/export", {"begin": "yesterday"})
        assert page.status_code == 422

    def test_no_cell_is_taken_for_a_formula(self, site: Site, office: Office) -> None:
        treasurer = treasury.treasurer(office)
        with office.work() as work:
            made = payments.record(
                work, treasurer, treasury.receipt(office, None, 100, key="=cmd|calc")
            )
            payments.give_back(work, treasurer, made, 100, "@SUM(A1)")
        page = site.visitor(Role.TREASURER).post(f"{LEDGER}/export")
        for row in self.rows(page.text):
            assert not any(cell[:1] in "=+-@" for cell in row.values() if cell)

    def test_it_wants_a_fresh_proof_of_who_takes_it(
        self, site: Site, office: Office, clock: Clock
    ) -> None:
        visitor = site.visitor(Role.AUDITOR)
        clock.advance(minutes=11)
        for answer in (visitor.get(f"{LEDGER}/export"), visitor.post(f"{LEDGER}/export")):
            assert answer.headers["location"].startswith("/account/prove")
        assert not looks(office, "ledger exported")


def test_months_are_the_same_whether_carried_or_not(office: Office, key: int, clock: Clock) -> None:
    clock.advance(days=31)
    treasury.make_active(office)
    with office.reading() as work:
        before = by_month(work)
    assert before.of("credit", Purpose.FEE_INCOME, "USD")[-2:] == [12_000, 12_000]
    assert before.of("credit", Purpose.BOND_HELD, "USD")[-2:] == [250_000, 250_000]
    assert before.of("debit", Purpose.BOND_HELD, "USD")[-2:] == [0, 0]
    for _ in range(2):
        carry_forward(office)
        with office.reading() as work:
            assert by_month(work) == before
    treasury.make_active(office)
    with office.reading() as work:
        assert by_month(work).of("credit", Purpose.FEE_INCOME, "USD")[-2:] == [12_000, 24_000]
