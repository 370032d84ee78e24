"""Invoices and receipts on paper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from babel.dates import format_date
from fpdf.enums import XPos, YPos

from countersign.registrar.documents.characters import tidy_line, tidy_lines
from countersign.registrar.documents.sheet import ACCENT, MUTED, Party, Sheet
from countersign.registrar.documents.table import LINE, Column, Table
from countersign.registrar.documents.typeface import printable
from countersign.registrar.money.amount import format_amount
from countersign.registrar.money.reference import format_reference, parse_creditor_reference

_FACTS_WIDTH, _FACTS_LABEL = 78.0, 26.0
_COLUMNS = (Column(0.74), Column(0.26, "R"))
MAX_LINES = 100


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One thing that is to be paid."""

    description: str
    amount: int
    """In the currency's minor unit."""
    note: str = ""
    """Printed under it; for example that a bond is held and not earned."""


@dataclass(frozen=True, slots=True)
class ReceivedPayment:
    """The payment that a receipt is for."""

    paid_on: date
    amount: int
    how: str
    """By what way; for example 'Bank transfer'."""
    payment: str = ""
    """The bank's or the payment provider's number of it."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """All that an invoice says."""

    number: int
    issued_on: date
    due_on: date
    issuer: Party
    to: Party
    hostname: str
    lines: tuple[InvoiceLine, ...]
    currency: str
    """ISO 4217."""
    reference: str
    """Creditor reference (ISO 11649), by which the payment is matched."""
    pay_to: str
    """How to pay: lines of text."""
    locale: str = "en_GB"
    """How amounts and dates are written (CLDR)."""

    @property
    def total(self) -> int:
        """The sum of all lines, in the minor unit."""
        return sum(line.amount for line in self.lines)

    def written_amount(self, minor: int) -> str:
        """Return an amount with its currency, as the locale writes it."""
        return format_amount(minor, self.currency, self.locale)

    def written_date(self, day: date) -> str:
        """Return a day as the locale writes it."""
        return format_date(day, "long", self.locale)


def invoice_pdf(invoice: Invoice, payment: ReceivedPayment | None = None) -> bytes:
    """Return an invoice as a PDF document; with a payment, the receipt for it.

    Raises :class:`ValueError` if it has too many lines, or a reference that is none.
    """
    if not 1 <= len(invoice.lines) <= MAX_LINES:
        raise ValueError(f"an invoice has 1 to {MAX_LINES} lines")
    if parse_creditor_reference(invoice.reference) is None:
        raise ValueError("the reference is not an ISO 11649 creditor reference")
    word = "Invoice" if payment is None else "Receipt"
    title = (
        f"Invoice {invoice.number}" if payment is None else f"Receipt for invoice {invoice.number}"
    )
    day = invoice.issued_on if payment is None else payment.paid_on
    sheet = Sheet(
        title=title,
        issuer=invoice.issuer,
        made_at=datetime.combine(day, time(), UTC),
        footer=f"{title} · {invoice.hostname}\n{invoice.issuer.name}",
        contents="\n".join(tidy_lines("\n".join(_said(invoice, payment)))),
    )
    _print_head(sheet, invoice, word, payment)
    _print_lines(sheet, invoice)
    if payment is None:
        _print_how_to_pay(sheet, invoice)
    else:
        _print_paid(sheet, invoice, payment)
    return sheet.octets()


def _said(invoice: Invoice, payment: ReceivedPayment | None) -> list[str]:
    said = [*invoice.to.lines(), invoice.hostname, invoice.pay_to, invoice.written_amount(0)]
    said += [text for line in invoice.lines for text in (line.description, line.note)]
    said += [invoice.written_date(invoice.issued_on), invoice.written_date(invoice.due_on)]
    if payment is not None:
        said += [payment.how, payment.payment, invoice.written_date(payment.paid_on)]
    return said


def _print_head(sheet: Sheet, invoice: Invoice, word: str, payment: ReceivedPayment | None) -> None:
    facts = [
        ("Invoice no.", str(invoice.number)),
        ("Date", invoice.written_date(payment.paid_on if payment else invoice.issued_on)),
        ("Server", tidy_line(invoice.hostname)),
        ("Reference", format_reference(invoice.reference)),
    ]
    if payment is None:
        facts.insert(2, ("Due", invoice.written_date(invoice.due_on)))
    # Where windows of envelopes are: 50 mm from the top, at the left margin.
    top = max(sheet.get_y() + 4, 50.0)
    sheet.set_y(top)
    sheet.font(9.5)
    for line in invoice.to.lines():
        sheet.multi_cell(
            sheet.epw - _FACTS_WIDTH - 6,
            5,
            printable(line),
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )
    bottom = sheet.get_y()
    sheet.set_y(top)
    with sheet.indented(sheet.epw - _FACTS_WIDTH):
        for label, value in facts:
            sheet.set_x(sheet.l_margin)
            sheet.font(9, color=MUTED)
            sheet.cell(_FACTS_LABEL, 5, label, new_x=XPos.RIGHT, new_y=YPos.TOP)
            sheet.font(9, bold=label == "Reference")
            sheet.line_of(value, 5)
    sheet.set_y(max(bottom, sheet.get_y(), 82.0) + 8)
    sheet.font(17, bold=True, color=ACCENT)
    sheet.line_of(word, 8)
    sheet.set_y(sheet.get_y() + 3)


def _print_lines(sheet: Sheet, invoice: Invoice) -> None:
    table = Table(sheet, _COLUMNS, ("Description", "Amount"), 9.5)
    for line in invoice.lines:
        description = tidy_line(line.description)
        if line.note:
            description += f"\n{tidy_line(line.note)}"
        table.row((description, invoice.written_amount(line.amount)))
    table.row(("Total", invoice.written_amount(invoice.total)), bold=True)
    sheet.set_y(sheet.get_y() + 8)


def _print_how_to_pay(sheet: Sheet, invoice: Invoice) -> None:
    sheet.room(45)
    _heading(sheet, "How to pay")
    sheet.font(9.5)
    sheet.line_of(
        f"Please pay {invoice.written_amount(invoice.total)} by "
        f"{invoice.written_date(invoice.due_on)}.",
        5,
    )
    for line in tidy_lines(invoice.pay_to):
        sheet.line_of(line, 5)
    sheet.set_y(sheet.get_y() + 2)
    sheet.cell(32, 6, "Reference", new_x=XPos.RIGHT, new_y=YPos.TOP)
    sheet.font(12, bold=True)
    sheet.line_of(format_reference(invoice.reference), 6)
    sheet.set_y(sheet.get_y() + 2)
    sheet.font(8, color=MUTED)
    sheet.line_of(
        "Give the reference with the payment, with or without spaces: by it alone the payment is "
        "matched to this invoice. Bank charges are borne by whoever pays.",
        4,
    )


def _print_paid(sheet: Sheet, invoice: Invoice, payment: ReceivedPayment) -> None:
    sheet.room(40)
    _heading(sheet, "Received with thanks")
    sheet.font(9.5)
    sheet.line_of(
        f"{invoice.written_amount(payment.amount)}, received on "
        f"{invoice.written_date(payment.paid_on)}. {tidy_line(payment.how)}.",
        5,
    )
    if payment.payment:
        sheet.line_of(f"Number of the payment: {tidy_line(payment.payment)}", 5)
    left = invoice.total - payment.amount
    sheet.set_y(sheet.get_y() + 3)
    sheet.font(11, bold=True, color=ACCENT)
    if left > 0:
        sheet.line_of(f"Still to be paid: {invoice.written_amount(left)}", LINE + 1)
    else:
        sheet.line_of("Paid in full", LINE + 1)
        if left < 0:
            sheet.font(9.5)
            sheet.line_of(f"Paid in excess: {invoice.written_amount(-left)}", 5)


def _heading(sheet: Sheet, text: str) -> None:
    sheet.font(11, bold=True, color=ACCENT)
    sheet.line_of(text, 6)
    sheet.set_y(sheet.get_y() + 1)
