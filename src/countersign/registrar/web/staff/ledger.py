"""The ledger: trial balance, accounts, entries, invoices, and all of it as a CSV file."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registrar.money.csv_export import CONTENT_TYPE, stream_csv
from countersign.registrar.operations import ledger_months, statements
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.queries import treasury
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff.consequences import PURPOSES
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.money import (
    PER_SERVER,
    InvoiceState,
    LedgerAccount,
    Purpose,
    TransferKind,
)
from countersign.storage.database.servers import Server

pages = Pages()

_LEDGER = "/staff/ledger"
_SEE = staff(Permission.EXPORT_MONEY)
_TABS = (
    ("Balance", ""),
    ("Entries", "/entries"),
    ("Servers' accounts", "/accounts"),
    ("Invoices", "/invoices"),
    ("Export", "/export"),
)


@pages.get(_LEDGER, allow=_SEE)
def show_balance(visit: Visit) -> Response:
    """Show the trial balance, and fees and bonds by month."""
    with visit.reading() as work:
        totals = statements.trial_balance(work)
        months = ledger_months.by_month(work)
        shared = {(one.purpose, one.currency): one.id for one in treasury.common_accounts(work)}
    currencies = sorted({total.currency for total in totals}) or [
        visit.office.config.money.currency
    ]
    return _show(
        visit,
        "staff/ledger.html",
        "",
        sheets=[_sheet(currency, totals) for currency in currencies],
        shared=shared,
        months=months,
        labels=[f"{month.month}/{month:%y}" for month in months.months],
        currencies=currencies,
    )


def _sheet(currency: str, totals: list[statements.Total]) -> dict[str, Any]:
    rows = [total for total in totals if total.currency == currency]
    return {
        "currency": currency,
        "rows": rows,
        "debit": sum(row.debit for row in rows),
        "credit": sum(row.credit for row in rows),
        "balance": sum(row.balance for row in rows),
    }


@pages.get(_LEDGER + "/accounts", allow=_SEE)
def show_accounts(visit: Visit) -> Response:
    """Show the servers' accounts that have money in them."""
    chosen = visit.query.text("purpose", 32)
    purpose = next((one for one in PER_SERVER if one == chosen), Purpose.BOND_HELD)
    with visit.reading() as work:
        page = treasury.held(work, purpose, cursor=_cursor(visit))
    return _show(visit, "staff/ledger_accounts.html", "/accounts", page=page, purpose=purpose)


@pages.get(_LEDGER + "/entries", allow=_SEE)
def show_entries(visit: Visit) -> Response:
    """Show entries of the ledger, the latest first."""
    query, errors = visit.query, {}
    host = query.text("host", 253)
    begin, end = _day(query.text("begin", 10)), _day(query.text("end", 10))
    chosen = {
        "host": host,
        "kind": query.text("kind", 32),
        "begin": query.text("begin", 10),
        "end": query.text("end", 10),
        "account": query.integer("account", low=1) or "",
    }
    with visit.reading() as work:
        server_id = _server(work, host) if host else 0
        if server_id is None:
            errors["host"] = "There is no server of this name."
        filters = treasury.Filters(
            account_id=query.integer("account", low=1),
            server_id=server_id or 0,
            kind=next((one for one in TransferKind if one == chosen["kind"]), None),
            begin=begin,
            end=end + datetime.timedelta(days=1) if end is not None else None,
        )
        page = treasury.entries(work, filters, cursor=_cursor(visit))
        account = _account(work, filters.account_id)
    kept = {name: value for name, value in chosen.items() if value}
    return _show(
        visit,
        "staff/ledger_entries.html",
        "/entries",
        page=page,
        account=account,
        chosen=chosen,
        errors=errors,
        kinds=[(str(one), str(one).capitalize()) for one in TransferKind],
        base=f"{_LEDGER}/entries?{urlencode(kept)}{'&' if kept else ''}",
    )


@pages.get(_LEDGER + "/invoices", allow=_SEE)
def show_invoices(visit: Visit) -> Response:
    """Show the invoices in a state."""
    chosen = visit.query.text("state", 16)
    state = next((one for one in InvoiceState if one == chosen), InvoiceState.OPEN)
    with visit.reading() as work:
        page = treasury.invoices(work, state, cursor=_cursor(visit))
    return _show(
        visit,
        "staff/invoices.html",
        "/invoices",
        page=page,
        state=state,
        states=list(InvoiceState),
    )


@pages.get(_LEDGER + "/export", allow=staff(Permission.EXPORT_MONEY, fresh=True))
def show_export(visit: Visit) -> Response:
    """Ask for which time the ledger is exported."""
    return _show(visit, "staff/ledger_export.html", "/export", errors={}, values={})


@pages.post(_LEDGER + "/export", allow=staff(Permission.EXPORT_MONEY, fresh=True))
def export(visit: Visit) -> Response:
    """Give the ledger as a CSV file, piece by piece; that it was taken is recorded."""
    form, errors = visit.form, {}
    days: dict[str, datetime.datetime | None] = {}
    for name in ("begin", "end"):
        days[name] = _day(form.text(name, 10))
        if form.text(name, 10) and days[name] is None:
            errors[name] = "Enter a day, such as 2031-01-31."
    if errors:
        return _show(
            visit,
            "staff/ledger_export.html",
            "/export",
            code=422,
            errors=errors,
            values=form.plain(),
        )
    begin, end = days["begin"], days["end"]
    with visit.work() as work:
        work.record(
            visit.actor(Permission.EXPORT_MONEY),
            "ledger exported",
            "ledger",
            begin=form.text("begin", 10),
            end=form.text("end", 10),
        )
    rows = statements.ledger_rows(
        visit.office, begin, end + datetime.timedelta(days=1) if end is not None else None
    )
    name = f"ledger-{visit.now:%Y-%m-%d}.csv"
    return StreamingResponse(
        stream_csv(statements.LEDGER_HEADER, rows, byte_order_mark=form.ticked("excel")),
        media_type=CONTENT_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _show(visit: Visit, template: str, tab: str, *, code: int = 200, **context: Any) -> Response:
    tabs = [(label, f"{_LEDGER}{path}", path == tab) for label, path in _TABS]
    context.setdefault("base", _LEDGER)
    return visit.render(template, code=code, tabs=tabs, purposes=PURPOSES, **context)


def _cursor(visit: Visit) -> str | None:
    return visit.query.text("after", 1000) or None


def _server(work: Work, host: str) -> int | None:
    try:
        name = normalise_hostname(host)
    except AddressSyntaxError:
        return None
    statement = select(Server.id).where(Server.hostname == name).order_by(Server.id.desc())
    found: int | None = work.session.scalar(statement.limit(1))
    return found


def _account(work: Work, account_id: int) -> treasury.Side | None:
    if not account_id:
        return None
    found = work.session.get(LedgerAccount, account_id)
    if found is None:
        raise NotFoundError("There is no such account.")
    return treasury.Side(found.id, found.purpose, found.server_id)


def _day(text: str) -> datetime.datetime | None:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)
