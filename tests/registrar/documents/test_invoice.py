"""Invoices, receipts and statements of account."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.registrar.documents.invoice import (
    Invoice,
    InvoiceLine,
    ReceivedPayment,
    invoice_pdf,
)
from countersign.registrar.documents.sheet import Party
from countersign.registrar.documents.statement import LedgerRow, Statement, statement_pdf
from countersign.registrar.money.reference import make_reference
from tests.registrar.documents.reading import open_pdf, text_of, title_of
from tests.registrar.documents.values import ISSUER, MADE_AT, OWNER

INVOICE = Invoice(
    number=42,
    issued_on=date(2026, 3, 1),
    due_on=date(2026, 3, 31),
    issuer=ISSUER,
    to=OWNER,
    hostname="mail.obrien.example",
    lines=(
        InvoiceLine("Security bond", 250_000, "Held for the owner."),
        InvoiceLine("Registration fee", 12_000),
    ),
    currency="USD",
    reference=make_reference(42),
    pay_to="Bank transfer to\nIBAN CH93 0076 2011 6238 5295 7",
)
PAYMENT = ReceivedPayment(date(2026, 3, 9), 262_000, "Bank transfer", "0104-77")
STATEMENT = Statement(
    issuer=ISSUER,
    to=OWNER,
    hostname="mail.obrien.example",
    begin=date(2026, 1, 1),
    end=date(2026, 12, 31),
    currency="USD",
    opening=1_000,
    rows=(
        LedgerRow(date(2026, 3, 9), "Payment received", "Bond", 250_000),
        LedgerRow(date(2026, 6, 1), "Bond forfeited, case 17", "Bond", -250_000),
    ),
    made_at=MADE_AT,
)


def plain(octets: bytes) -> str:
    return " ".join(text_of(octets).replace("\u00a0", " ").split())


def test_an_invoice_says_who_what_how_much_and_how_to_pay() -> None:
    printed = plain(invoice_pdf(INVOICE))
    for words in (
        "The Mail Server Registrar 1 Registry Lane · 1200 Geneva",
        "O'Brien & Sons Pty Ltd 12 Collins Street Melbourne VIC 3000 Australia",
        "Invoice no. 42",
        "Date 1 March 2026",
        "Due 31 March 2026",
        "Security bond Held for the owner. USD 2,500.00",
        "Registration fee USD 120.00",
        "Total USD 2,620.00",
        "Please pay USD 2,620.00 by 31 March 2026.",
        "IBAN CH93 0076 2011 6238 5295 7",
        "Reference RF43 CS00 0000 0042",
    ):
        assert words in printed
    assert "Paid" not in printed


def test_a_receipt_says_what_was_paid_when_and_how() -> None:
    printed = plain(invoice_pdf(INVOICE, PAYMENT))
    for words in (
        "Receipt",
        "Date 9 March 2026",
        "USD 2,620.00, received on 9 March 2026. Bank transfer.",
        "Number of the payment: 0104-77",
        "Paid in full",
    ):
        assert words in printed
    assert "How to pay" not in printed and "Due" not in printed


@pytest.mark.parametrize(
    ("amount", "words"),
    [(100_000, "Still to be paid: USD 1,620.00"), (300_000, "Paid in excess: USD 380.00")],
)
def test_a_receipt_for_another_amount_says_the_difference(amount: int, words: str) -> None:
    assert words in plain(invoice_pdf(INVOICE, replace(PAYMENT, amount=amount)))


def test_currency_and_custom_of_the_reader_are_followed() -> None:
    line = InvoiceLine("Kaution", 250_000)
    german = plain(invoice_pdf(replace(INVOICE, lines=(line,), currency="EUR", locale="de")))
    assert "EUR 2.500,00" in german and "31. März 2026" in german
    japanese = plain(invoice_pdf(replace(INVOICE, lines=(line,), currency="JPY", locale="ja")))
    assert "JPY 250,000" in japanese and "2026年3月31日" in japanese
    arabic = invoice_pdf(replace(INVOICE, locale="ar"))
    assert "\ufffd" not in text_of(arabic)


def test_equal_invoices_give_equal_octets_and_their_own_title() -> None:
    octets = invoice_pdf(INVOICE)
    assert octets == invoice_pdf(replace(INVOICE))
    assert octets != invoice_pdf(replace(INVOICE, number=43))
    assert title_of(octets) == "Invoice 42"
    with open_pdf(octets) as pdf:
        assert len(pdf.pages) == 1


def test_an_invoice_of_many_lines_goes_on_with_its_head_on_the_next_page() -> None:
    lines = tuple(InvoiceLine(f"Line {number}", 100) for number in range(100))
    pages = text_of(invoice_pdf(replace(INVOICE, lines=lines))).split("\f")
    assert len(pages) > 2
    assert "Description" in pages[1] and "Line 99" in "".join(pages)


def test_unfit_invoices_are_refused() -> None:
    with pytest.raises(ValueError, match="lines"):
        invoice_pdf(replace(INVOICE, lines=()))
    with pytest.raises(ValueError, match="lines"):
        invoice_pdf(replace(INVOICE, lines=INVOICE.lines * 51))
    with pytest.raises(ValueError, match="reference"):
        invoice_pdf(replace(INVOICE, reference="RF00CS0000000042"))


def test_a_statement_shows_the_balance_after_every_entry() -> None:
    printed = plain(statement_pdf(STATEMENT))
    for words in (
        "1 January 2026 to 31 December 2026",
        "Amount, USD Balance, USD",
        "Balance at the beginning 10.00",
        "2026-03-09 Payment received Bond 2,500.00 2,510.00",
        "2026-06-01 Bond forfeited, case 17 Bond -2,500.00 10.00",
        "Balance at the end 10.00",
    ):
        assert words in printed
    assert STATEMENT.closing == 1_000


def test_a_statement_without_entries_is_one_too() -> None:
    assert "Balance at the end" in plain(statement_pdf(replace(STATEMENT, rows=())))


def test_a_statement_of_too_many_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="5000"):
        statement_pdf(replace(STATEMENT, rows=STATEMENT.rows * 2501))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=80), st.integers(-(10**17), 10**17))
def test_any_text_and_amount_can_be_invoiced(text: str, amount: int) -> None:
    party = Party(text, f"{text}\n{text}")
    invoice = replace(
        INVOICE,
        issuer=party,
        to=party,
        hostname=text,
        pay_to=text,
        lines=(InvoiceLine(text, amount, text),),
    )
    for octets in (
        invoice_pdf(invoice),
        invoice_pdf(invoice, ReceivedPayment(date(2026, 1, 1), amount, text, text)),
        statement_pdf(
            replace(
                STATEMENT,
                to=party,
                hostname=text,
                rows=(LedgerRow(date(2026, 1, 1), text, text, amount),),
            )
        ),
    ):
        with open_pdf(octets) as pdf:
            assert len(pdf.pages) >= 1
