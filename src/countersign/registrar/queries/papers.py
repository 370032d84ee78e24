"""Invoices, receipts and statements of account of a server, as documents (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from countersign.registrar.documents.invoice import (
    Invoice as InvoicePaper,
)
from countersign.registrar.documents.invoice import (
    InvoiceLine,
    ReceivedPayment,
    invoice_pdf,
)
from countersign.registrar.documents.statement import (
    MAX_ROWS,
    LedgerRow,
    Statement,
    statement_pdf,
)
from countersign.registrar.money.amount import to_decimal
from countersign.registrar.money.csv_export import Cell, stream_csv
from countersign.registrar.money.reference import make_reference
from countersign.registrar.operations.invoices import paid_on
from countersign.registrar.operations.office import NotFoundError, OperationError, Work
from countersign.registrar.operations.parties import owner_party, registrar_party
from countersign.registrar.operations.statements import Line, server_lines
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    Payment,
    PaymentSource,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.servers import Server

_AT_ONCE = 1000
_KINDS: dict[InvoiceKind, tuple[str, str]] = {
    InvoiceKind.BOND: (
        "Security bond",
        "Held as a security: it stays yours, and is paid back when you leave in good standing.",
    ),
    InvoiceKind.FEE: ("Registration fee for one year", ""),
    InvoiceKind.SPONSOR_SHARE: (
        "Share as a sponsor",
        "Owed because a server that was vouched for was found to have sent spam.",
    ),
}
_SOURCES = {
    PaymentSource.TREASURER: "Recorded by the treasurer",
    PaymentSource.STATEMENT: "Bank transfer",
    PaymentSource.PROVIDER: "Paid through the payment provider",
}
_ACCOUNTS = {
    Purpose.BOND_HELD: "Bond",
    Purpose.REFUND_DUE: "Refund",
    Purpose.FEE_INCOME: "Fee",
    Purpose.BOND_FORFEITED: "Share",
}
_OWN = frozenset({Purpose.BOND_HELD, Purpose.REFUND_DUE})
"""What the registrar has of the owner's, or owes him: the balance of a statement."""
_WORDS = {
    TransferKind.PAYMENT: "Payment",
    TransferKind.ALLOCATION: "Payment received",
    TransferKind.FORFEITURE: "Forfeited",
    TransferKind.REFUND: "Set aside to be paid back",
    TransferKind.PAYOUT: "Paid out",
    TransferKind.REVERSAL: "Payment taken back",
    TransferKind.CHARGE: "Charge",
}


@dataclass(frozen=True, slots=True)
class Paper:
    """A file to download."""

    filename: str
    content: bytes


def invoice_of(work: Work, server: Server, invoice_id: int) -> Invoice:
    """Return an invoice of a server. Raises :class:`NotFoundError`."""
    invoice = work.session.get(Invoice, invoice_id)
    if invoice is None or invoice.server_id != server.id:
        raise NotFoundError("There is no such invoice.")
    return invoice


def received_on(work: Work, invoice: Invoice) -> ReceivedPayment:
    """Return what was paid on an invoice, for a receipt.

    Raises :class:`NotFoundError` if nothing was.
    """
    amount, last = paid_on(work, invoice), _last_payment(work, invoice)
    if amount <= 0 or last is None:
        raise NotFoundError("Nothing has been paid on this invoice.")
    return ReceivedPayment(last.received_on, amount, _SOURCES[last.source])


def print_invoice(content: InvoicePaper, received: ReceivedPayment | None = None) -> Paper:
    """Return an invoice, or the receipt for it, as PDF; takes its time, and needs no database."""
    word = "invoice" if received is None else "receipt"
    return Paper(f"{word}-{content.number}.pdf", invoice_pdf(content, received))


def content_of(work: Work, server: Server, invoice: Invoice) -> InvoicePaper:
    """Return all that an invoice of a server says."""
    description, note = _KINDS[invoice.kind]
    return InvoicePaper(
        number=invoice.id,
        issued_on=invoice.issued_at.date(),
        due_on=invoice.due_on,
        issuer=registrar_party(work),
        to=owner_party(work, server),
        hostname=server.hostname,
        lines=(InvoiceLine(f"{description}: {server.hostname}", invoice.amount, note),),
        currency=invoice.currency,
        reference=make_reference(invoice.id),
        pay_to=work.config.money.pay_to,
    )


def _last_payment(work: Work, invoice: Invoice) -> Payment | None:
    return work.session.scalar(
        select(Payment)
        .join(Transfer, Transfer.payment_id == Payment.id)
        .where(Transfer.invoice_id == invoice.id, Transfer.kind == TransferKind.ALLOCATION)
        .order_by(Transfer.id.desc())
        .limit(1)
    )


def currencies_of(work: Work, server: Server) -> list[str]:
    """Return the currencies in which money has moved for a server."""
    return list(
        work.session.scalars(
            select(Transfer.currency)
            .where(Transfer.server_id == server.id)
            .distinct()
            .order_by(Transfer.currency)
        )
    )


def statement_of(work: Work, server: Server, currency: str) -> Statement:
    """Return the whole account of a server in one currency.

    Raises :class:`OperationError` if it is too long for a document.
    """
    rows = tuple(row for line in _all_lines(work, server, currency) for row in _rows(line))
    if len(rows) > MAX_ROWS:
        raise OperationError("The statement is too long: ask the treasurer for a part of it.")
    return Statement(
        issuer=registrar_party(work),
        to=owner_party(work, server),
        hostname=server.hostname,
        begin=rows[0].day if rows else work.today,
        end=work.today,
        currency=currency,
        opening=0,
        rows=rows,
        made_at=work.now,
    )


def print_statement(statement: Statement) -> Paper:
    """Return a statement as PDF."""
    name = f"statement-{statement.hostname}-{statement.currency}.pdf"
    return Paper(name, statement_pdf(statement))


def write_statement(statement: Statement) -> Paper:
    """Return a statement as a CSV file."""
    header = ("date", "entry", "account", "amount", "balance", "currency")
    content = b"".join(stream_csv(header, _cells(statement)))
    return Paper(f"statement-{statement.hostname}-{statement.currency}.csv", content)


def _cells(statement: Statement) -> Iterator[tuple[Cell, ...]]:
    balance, currency = statement.opening, statement.currency
    for row in statement.rows:
        balance += row.amount
        amounts = (to_decimal(row.amount, currency), to_decimal(balance, currency))
        yield (row.day, row.text, row.account, *amounts, currency)


def _all_lines(work: Work, server: Server, currency: str) -> Iterator[Line]:
    after, count = 0, 0
    while count <= MAX_ROWS:
        lines = server_lines(work, server, after=after, limit=_AT_ONCE)
        mine = [line for line in lines if line.currency == currency]
        yield from mine
        count += len(mine)
        if len(lines) < _AT_ONCE:
            return
        after = lines[-1].id


def _rows(line: Line) -> Iterator[LedgerRow]:
    """Yield what an entry is to the owner: what leaves his side, and what comes to it."""
    text = _WORDS[line.kind]
    if line.invoice_id is not None:
        text = f"{text}, invoice {line.invoice_id}"
    sides = [(line.debit, -line.amount), (line.credit, line.amount)]
    day = line.at.date()
    if not {line.debit, line.credit} & _OWN:
        # A fee: what was paid, and what it was paid for.
        spent, received = (-1, 1) if line.credit in _ACCOUNTS else (1, -1)
        account = _ACCOUNTS.get(line.credit) or _ACCOUNTS.get(line.debit, "")
        yield LedgerRow(day, text, "Payment", received * line.amount)
        yield LedgerRow(day, f"{account} charged", account, spent * line.amount)
        return
    for purpose, amount in sides:
        if purpose in _OWN:
            yield LedgerRow(day, text, _ACCOUNTS[purpose], amount)
