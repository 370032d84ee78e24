"""A server's money: what is asked for, what was paid, what is held; as pages and as documents."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.money.csv_export import CONTENT_TYPE
from countersign.registrar.money.reference import format_reference, make_reference
from countersign.registrar.operations.invoices import invoices_of
from countersign.registrar.operations.ledger import accounts_of
from countersign.registrar.operations.office import Work
from countersign.registrar.operations.trust import sponsors_can_help
from countersign.registrar.queries import papers
from countersign.registrar.queries.next_steps import open_amounts, paid_amounts
from countersign.registrar.queries.paging import page_of, read_cursor
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.money import Purpose
from countersign.storage.database.servers import Server

pages = Pages()

_SEE = Permission.SEE_MONEY
_PDF = "application/pdf"
_INVOICES = 20


@pages.get("/servers/{server:key}/money", allow=server_access(_SEE))
def show_money(visit: Visit, server: int) -> Response:
    """Show invoices, and what is held."""
    cursor = visit.query.text("after", 1000)
    before = read_cursor(cursor, [int])[0] if cursor else None
    with visit.reading() as work:
        row = frame.find(work, server)
        found = invoices_of(work, row, before=before, limit=_INVOICES + 1)
        page = page_of(found, _INVOICES, lambda one: [one.id])
        paid = paid_amounts(work, page.rows)
        owed = open_amounts(work, [row.id]).get(row.id, [])
        held = accounts_of(work, row.id, Purpose.BOND_HELD)
        refunds = accounts_of(work, row.id, Purpose.REFUND_DUE)
        currencies = papers.currencies_of(work, row)
        can_help = sponsors_can_help(work, row)
    return frame.show(
        visit,
        "owner/money.html",
        row,
        "/money",
        page=page,
        paid=paid,
        owed=[(one, format_reference(make_reference(one.invoice.id))) for one in owed],
        held=held,
        refunds=refunds,
        currencies=currencies,
        can_help=can_help,
        pay_to=visit.office.config.money.pay_to,
        sponsors=visit.office.config.money.sponsors,
    )


@pages.get("/servers/{server:key}/invoices/{invoice:key}.pdf", allow=server_access(_SEE))
def download_invoice(visit: Visit, server: int, invoice: int) -> Response:
    """Give an invoice as PDF."""
    with visit.reading() as work:
        row = frame.find(work, server)
        content = papers.content_of(work, row, papers.invoice_of(work, row, invoice))
    paper = papers.print_invoice(content)
    return visit.download(paper.content, paper.filename, _PDF)


@pages.get("/servers/{server:key}/receipts/{invoice:key}.pdf", allow=server_access(_SEE))
def download_receipt(visit: Visit, server: int, invoice: int) -> Response:
    """Give the receipt for an invoice as PDF."""
    with visit.reading() as work:
        row = frame.find(work, server)
        found = papers.invoice_of(work, row, invoice)
        received = papers.received_on(work, found)
        content = papers.content_of(work, row, found)
    paper = papers.print_invoice(content, received)
    return visit.download(paper.content, paper.filename, _PDF)


@pages.get("/servers/{server:key}/statement", allow=server_access(_SEE))
def show_statement(visit: Visit, server: int) -> Response:
    """Show the account of a server in one currency."""
    with visit.reading() as work:
        row = frame.find(work, server)
        currencies = papers.currencies_of(work, row)
        currency = _currency(visit, work, row)
        statement = papers.statement_of(work, row, currency)
    lines, balance = [], statement.opening
    for line in statement.rows:
        balance += line.amount
        lines.append((line, balance))
    return frame.show(
        visit,
        "owner/statement.html",
        row,
        "/money",
        lines=lines[-_LINES:],
        left_out=max(0, len(lines) - _LINES),
        currency=currency,
        currencies=currencies,
    )


_LINES = 200


@pages.get("/servers/{server:key}/statement.pdf", allow=server_access(_SEE))
def download_statement(visit: Visit, server: int) -> Response:
    """Give the account of a server as PDF."""
    with visit.reading() as work:
        row = frame.find(work, server)
        statement = papers.statement_of(work, row, _currency(visit, work, row))
    paper = papers.print_statement(statement)
    return visit.download(paper.content, paper.filename, _PDF)


@pages.get("/servers/{server:key}/statement.csv", allow=server_access(_SEE))
def download_rows(visit: Visit, server: int) -> Response:
    """Give the account of a server for a spreadsheet."""
    with visit.reading() as work:
        row = frame.find(work, server)
        statement = papers.statement_of(work, row, _currency(visit, work, row))
    paper = papers.write_statement(statement)
    return visit.download(paper.content, paper.filename, CONTENT_TYPE)


def _currency(visit: Visit, work: Work, row: Server) -> str:
    known = papers.currencies_of(work, row)
    asked = visit.query.text("currency", 1000)
    usual = work.config.money.currency
    return asked if asked in known else next(iter(known), usual) if usual not in known else usual
