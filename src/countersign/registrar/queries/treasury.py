"""Payments, invoices and the ledger, as treasurers and auditors look for them (DESIGN §6)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, union
from sqlalchemy.orm import aliased

from countersign.registrar.money.reference import find_references
from countersign.registrar.operations.office import Work
from countersign.registrar.queries.next_steps import paid_amounts
from countersign.registrar.queries.paging import (
    Page,
    after,
    bounded,
    latest_first,
    page_of,
    read_cursor,
)
from countersign.registrar.queries.sifting import MOST_LOOKED_AT, sift
from countersign.registrar.queries.staff_servers import moment_of
from countersign.storage.database.money import (
    PER_SERVER,
    Invoice,
    InvoiceState,
    LedgerAccount,
    Payment,
    PaymentSource,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.servers import Server

_MOST_SERVERS = 20
_MOST_INVOICES = 30


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice with its server, and what is still to be paid."""

    invoice: Invoice
    hostname: str
    owed: int
    """In the minor unit of the invoice's currency; 0 for one that is not open."""


def find_bills(work: Work, text: str) -> list[Bill]:
    """Return open invoices by reference, number, or the beginning of a host name."""
    numbers = find_references(text)
    plain = text.strip().lower()
    if not numbers and plain.isascii() and plain.isdecimal() and len(plain) <= 10:
        numbers = [int(plain)]
    statement = select(Invoice, Server.hostname).join(Server, Server.id == Invoice.server_id)
    if numbers:
        statement = statement.where(Invoice.id.in_(numbers[:_MOST_INVOICES]))
    elif plain:
        end = plain[:-1] + chr(min(ord(plain[-1]) + 1, 0x10FFFF))
        servers = (
            select(Server.id)
            .where(Server.hostname >= plain, Server.hostname < end)
            .order_by(Server.hostname)
            .limit(_MOST_SERVERS)
            .subquery()
        )
        statement = statement.where(
            Invoice.server_id.in_(select(servers.c.id)), Invoice.state == InvoiceState.OPEN
        )
    else:
        return []
    rows = work.session.execute(statement.order_by(Invoice.id).limit(_MOST_INVOICES)).all()
    return _bills(work, [(invoice, hostname) for invoice, hostname in rows])


def bill(work: Work, invoice_id: int) -> Bill | None:
    """Return an invoice by its number; None: there is none."""
    found = find_bills(work, str(invoice_id)) if invoice_id else []
    return found[0] if found else None


def _bills(work: Work, rows: list[tuple[Invoice, str]]) -> list[Bill]:
    paid = paid_amounts(work, [invoice for invoice, _ in rows])
    return [
        Bill(
            invoice,
            hostname,
            invoice.amount - paid.get(invoice.id, 0) if invoice.state is InvoiceState.OPEN else 0,
        )
        for invoice, hostname in rows
    ]


def invoices(
    work: Work, state: InvoiceState, *, cursor: str | None = None, limit: int = 50
) -> Page[Bill]:
    """Return the invoices in a state: open ones by when they are due, others the latest first."""
    latest_first = state is not InvoiceState.OPEN
    columns = [Invoice.due_on, Invoice.id]
    statement = (
        select(Invoice, Server.hostname)
        .join(Server, Server.id == Invoice.server_id)
        .where(Invoice.state == state)
        .order_by(*(column.desc() if latest_first else column for column in columns))
    )
    if cursor is not None:
        due, key = read_cursor(cursor, [str, int])
        values = (moment_of(due).date(), key)
        statement = statement.where(after(columns, values, descending=latest_first))
    rows = [(invoice, host) for invoice, host in work.session.execute(bounded(statement, limit))]
    return page_of(
        _bills(work, rows), limit, lambda one: [one.invoice.due_on.isoformat(), one.invoice.id]
    )


def payments(work: Work, *, cursor: str | None = None, limit: int = 50) -> Page[Payment]:
    """Return all payments, the latest first."""
    statement = latest_first(select(Payment), Payment.id, cursor)
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.id])


def unallocated(work: Work, *, cursor: str | None = None, limit: int = 50) -> Page[Payment]:
    """Return payments of which something waits for a treasurer, the oldest first."""
    statement = select(Payment).where(Payment.allocated < Payment.amount).order_by(Payment.id)
    if cursor is not None:
        statement = statement.where(Payment.id > read_cursor(cursor, [int])[0])
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.id])


def payments_between(
    work: Work,
    first: int,
    last: int,
    account_id: int,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Payment]:
    """Return the payments with keys above one and up to another that an account imported."""
    statement = (
        select(Payment)
        .where(
            Payment.id > first,
            Payment.id <= last,
            Payment.source == PaymentSource.STATEMENT,
            Payment.recorded_by == account_id,
        )
        .order_by(Payment.id)
    )
    if cursor is not None:
        statement = statement.where(Payment.id > read_cursor(cursor, [int])[0])
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.id])


@dataclass(frozen=True, slots=True)
class Side:
    """An account of the ledger as an entry names it."""

    account_id: int
    purpose: Purpose
    server_id: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the ledger with both its accounts."""

    transfer: Transfer
    debit: Side
    credit: Side
    hostname: str
    """Of the server whom it concerns; may be empty."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries are wanted."""

    account_id: int = 0
    server_id: int = 0
    payment_id: int = 0
    kind: TransferKind | None = None
    begin: datetime.datetime | None = None
    end: datetime.datetime | None = None
    """Excluded."""


def entries(
    work: Work, filters: Filters, *, cursor: str | None = None, limit: int = 50
) -> Page[Entry]:
    """Return entries of the ledger, the latest first."""
    statement = select(Transfer)
    if filters.payment_id:
        statement = statement.where(Transfer.payment_id == filters.payment_id)
    elif filters.account_id:
        before = read_cursor(cursor, [str, int])[1] if cursor is not None else None
        statement = statement.where(Transfer.id.in_(_keys_of(filters, before, limit)))
    elif filters.server_id:
        statement = statement.where(Transfer.server_id == filters.server_id)
    elif filters.begin is not None or filters.end is not None:
        return _named(work, _by_time(work, filters, cursor, limit))
    statement = statement.order_by(Transfer.id.desc())
    if cursor is not None:
        statement = statement.where(Transfer.id < read_cursor(cursor, [str, int])[1])
    return _named(work, _sifted(work, statement, filters, limit))


def _keys_of(filters: Filters, before: int | None, limit: int) -> Select[int]:
    """Return the latest entries of an account: a piece of one index for each side."""
    is_plain = (filters.kind, filters.server_id, filters.begin, filters.end) == (
        None,
        0,
        None,
        None,
    )

    def side(column: Any) -> Select[int]:
        statement = select(Transfer.id).where(column == filters.account_id)
        if before is not None:
            statement = statement.where(Transfer.id < before)
        most = limit + 1 if is_plain else MOST_LOOKED_AT + 1
        return select(statement.order_by(Transfer.id.desc()).limit(most).subquery().c.id)

    found = union(side(Transfer.debit_account_id), side(Transfer.credit_account_id)).subquery()
    return select(found.c.id)


def _by_time(work: Work, filters: Filters, cursor: str | None, limit: int) -> Page[Transfer]:
    columns = [Transfer.at, Transfer.id]
    statement = select(Transfer).order_by(*(column.desc() for column in columns))
    if filters.begin is not None:
        statement = statement.where(Transfer.at >= filters.begin)
    if filters.end is not None:
        statement = statement.where(Transfer.at < filters.end)
    if cursor is not None:
        at, key = read_cursor(cursor, [str, int])
        statement = statement.where(after(columns, (moment_of(at), key), descending=True))
    return _sifted(work, statement, filters, limit)


def _sifted(
    work: Work, statement: Select[Transfer], filters: Filters, limit: int
) -> Page[Transfer]:
    def wanted(one: Transfer) -> bool:
        return (
            filters.kind in (None, one.kind)
            and filters.server_id in (0, one.server_id)
            and (filters.begin is None or one.at >= filters.begin)
            and (filters.end is None or one.at < filters.end)
        )

    return sift(work, statement, wanted, lambda one: [one.at.isoformat(), one.id], limit=limit)


def _named(work: Work, page: Page[Transfer]) -> Page[Entry]:
    keys = {key for one in page.rows for key in (one.debit_account_id, one.credit_account_id)}
    accounts = {
        key: Side(key, purpose, server_id)
        for key, purpose, server_id in work.session.execute(
            select(LedgerAccount.id, LedgerAccount.purpose, LedgerAccount.server_id).where(
                LedgerAccount.id.in_(keys)
            )
        )
    }
    hosts = hostnames(work, {one.server_id for one in page.rows})
    rows = [
        Entry(
            one,
            accounts[one.debit_account_id],
            accounts[one.credit_account_id],
            hosts.get(one.server_id or 0, ""),
        )
        for one in page.rows
    ]
    return Page(rows, page.next)


def hostnames(work: Work, server_ids: set[int | None]) -> dict[int, str]:
    """Return the host names of some servers by their keys."""
    wanted = server_ids - {None}
    if not wanted:
        return {}
    rows = work.session.execute(select(Server.id, Server.hostname).where(Server.id.in_(wanted)))
    return dict(rows.all())


@dataclass(frozen=True, slots=True)
class Held:
    """An account of one server that has money in it."""

    account: LedgerAccount
    server: Server


def held(work: Work, purpose: Purpose, *, cursor: str | None = None, limit: int = 50) -> Page[Held]:
    """Return the servers' accounts of one purpose that have money in them."""
    statement = (
        select(LedgerAccount, Server)
        .join(Server, Server.id == LedgerAccount.server_id)
        .where(LedgerAccount.purpose == purpose, LedgerAccount.balance > 0)
        .order_by(LedgerAccount.id)
    )
    if cursor is not None:
        statement = statement.where(LedgerAccount.id > read_cursor(cursor, [int])[0])
    rows = [Held(*row) for row in work.session.execute(bounded(statement, limit))]
    return page_of(rows, limit, lambda one: [one.account.id])


def common_accounts(work: Work) -> list[LedgerAccount]:
    """Return the accounts that all servers share, by currency."""
    return list(
        work.session.scalars(
            select(LedgerAccount)
            .where(
                LedgerAccount.server_id.is_(None), LedgerAccount.purpose.not_in(tuple(PER_SERVER))
            )
            .order_by(LedgerAccount.currency, LedgerAccount.purpose)
            .limit(200)
        )
    )


def payouts_of_amount(work: Work, amount: int, currency: str, *, limit: int = 20) -> list[Entry]:
    """Return the latest payouts of an amount: which of them may have come back, or be a debit."""
    bank = aliased(LedgerAccount)
    statement = (
        select(Transfer)
        .join(bank, bank.id == Transfer.credit_account_id)
        .where(bank.purpose == Purpose.BANK, bank.currency == currency)
        .order_by(Transfer.id.desc())
    )
    page = sift(
        work,
        statement,
        lambda one: one.kind is TransferKind.PAYOUT and one.amount == amount,
        lambda one: [one.id],
        limit=limit,
    )
    return list(_named(work, page).rows)


def payments_of_amount(work: Work, amount: int, currency: str, *, limit: int = 20) -> list[Payment]:
    """Return the latest payments of an amount that have not been taken back."""
    page = sift(
        work,
        select(Payment).order_by(Payment.id.desc()),
        lambda one: (one.amount, one.currency) == (amount, currency) and one.taken_back_at is None,
        lambda one: [one.id],
        limit=limit,
    )
    return list(page.rows)
