"""The ledger as people read it: one server's, all of it, and its balance (DESIGN §6)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, select, text
from sqlalchemy.orm import aliased

from countersign.registrar.money.csv_export import Cell
from countersign.registrar.operations.ledger_months import carry_months, entries_after
from countersign.registrar.operations.office import Office, Work
from countersign.storage.database.money import (
    LedgerAccount,
    LedgerTotal,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.servers import Server

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the ledger as it concerns one server."""

    id: int
    at: datetime.datetime
    kind: TransferKind
    debit: Purpose
    credit: Purpose
    amount: int
    currency: str
    invoice_id: int | None
    event_id: int | None
    held: int
    """Bond held for the server after it, in this currency."""
    due: int
    """To be paid out to its owner after it, in this currency."""


def server_lines(work: Work, server: Server, *, after: int = 0, limit: int = 200) -> list[Line]:
    """Return a server's entries, the oldest first, with what is held and due after each."""
    debit, credit = aliased(LedgerAccount), aliased(LedgerAccount)

    def running(purpose: Purpose) -> ColumnElement[int]:
        change = case((credit.purpose == purpose, Transfer.amount), else_=0) - case(
            (debit.purpose == purpose, Transfer.amount), else_=0
        )
        # A sum of 64-bit integers is NUMERIC on PostgreSQL.
        return cast(
            func.sum(change).over(partition_by=Transfer.currency, order_by=Transfer.id), BigInteger
        )

    lines = (
        select(
            Transfer.id,
            Transfer.at,
            Transfer.kind,
            debit.purpose.label("debit"),
            credit.purpose.label("credit"),
            Transfer.amount,
            Transfer.currency,
            Transfer.invoice_id,
            Transfer.event_id,
            running(Purpose.BOND_HELD).label("held"),
            running(Purpose.REFUND_DUE).label("due"),
        )
        .join(debit, debit.id == Transfer.debit_account_id)
        .join(credit, credit.id == Transfer.credit_account_id)
        .where(Transfer.server_id == server.id)
        .subquery()
    )
    rows = work.session.execute(
        select(lines).where(lines.c.id > after).order_by(lines.c.id).limit(limit)
    )
    return [Line(*row) for row in rows]


LEDGER_HEADER = (
    "entry",
    "time",
    "kind",
    "debit",
    "debit server",
    "credit",
    "credit server",
    "amount (minor unit)",
    "currency",
    "server",
    "invoice",
    "payment",
    "event",
    "account",
    "reference",
)
"""Columns of :func:`ledger_rows`."""


def ledger_rows(
    office: Office, begin: datetime.datetime | None = None, end: datetime.datetime | None = None
) -> Iterator[tuple[Cell, ...]]:
    """Yield all entries of the ledger, or those of a time (end excluded), for a CSV file.

    Page by page, each from a view of its own: a slow reader holds nothing up. Entries that are
    written after it began are left out.
    """
    with office.reading() as work:
        last = int(work.session.scalar(select(func.coalesce(func.max(Transfer.id), 0))) or 0)
    seen = 0
    while True:
        with office.reading() as work:
            rows = work.session.execute(_page(seen, last, begin, end)).all()
        yield from (tuple(row) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        seen = rows[-1][0]


def _page(
    seen: int, last: int, begin: datetime.datetime | None, end: datetime.datetime | None
) -> Select[*tuple[Any, ...]]:
    debit, credit = aliased(LedgerAccount), aliased(LedgerAccount)
    statement = (
        select(
            Transfer.id,
            Transfer.at,
            Transfer.kind,
            debit.purpose,
            debit.server_id,
            credit.purpose,
            credit.server_id,
            Transfer.amount,
            Transfer.currency,
            Transfer.server_id,
            Transfer.invoice_id,
            Transfer.payment_id,
            Transfer.event_id,
            Transfer.account_id,
            Transfer.reference,
        )
        .join(debit, debit.id == Transfer.debit_account_id)
        .join(credit, credit.id == Transfer.credit_account_id)
        .where(Transfer.id > seen, Transfer.id <= last)
        .order_by(Transfer.id)
        .limit(_AT_ONCE)
    )
    if begin is not None:
        statement = statement.where(Transfer.at >= begin)
    if end is not None:
        statement = statement.where(Transfer.at < end)
    return statement


@dataclass(frozen=True, slots=True)
class Total:
    """All entries of the accounts of one purpose, in one currency."""

    purpose: Purpose
    currency: str
    debit: int
    credit: int

    @property
    def balance(self) -> int:
        """Credit minus debit."""
        return self.credit - self.debit


def trial_balance(work: Work) -> list[Total]:
    """Return the totals of all accounts by purpose; their balances come to zero in each currency.

    Adds up only what has been written since :func:`carry_forward`.
    """
    carried = {
        (row.purpose, row.currency): (row.debit, row.credit, row.through_id)
        for row in work.session.scalars(select(LedgerTotal))
    }
    through = max((row[2] for row in carried.values()), default=0)
    totals = {key: (debit, credit) for key, (debit, credit, _) in carried.items()}
    for purpose, currency, debit, credit in _sums(work, through):
        before = totals.get((purpose, currency), (0, 0))
        totals[purpose, currency] = (before[0] + debit, before[1] + credit)
    order = list(Purpose)
    return [
        Total(purpose, currency, *totals[purpose, currency])
        for purpose, currency in sorted(totals, key=lambda key: (key[1], order.index(key[0])))
    ]


def _sums(work: Work, through: int) -> list[tuple[Purpose, str, int, int]]:
    """Return purpose, currency, debit and credit of the entries after one."""
    found: dict[tuple[Purpose, str], list[int]] = {}
    recent = entries_after(through).c
    for place, side in enumerate((recent.debit_account_id, recent.credit_account_id)):
        rows = work.session.execute(
            select(LedgerAccount.purpose, recent.currency, func.sum(recent.amount))
            .join(LedgerAccount, LedgerAccount.id == side)
            .group_by(LedgerAccount.purpose, recent.currency)
        )
        for purpose, currency, amount in rows:
            found.setdefault((purpose, currency), [0, 0])[place] = int(amount)
    return [(*key, debit, credit) for key, (debit, credit) in found.items()]


def carry_forward(office: Office) -> int:
    """Add the ledger up to now into the totals; returns through which entry.

    For every day, so that a trial balance need not read the whole ledger.
    """
    with office.work() as work:
        if not office.database.is_sqlite:
            # Waits for whoever is writing: then no entry with a lower key can appear any more.
            work.session.execute(text("LOCK TABLE transfer IN SHARE ROW EXCLUSIVE MODE"))
        last = int(work.session.scalar(select(func.coalesce(func.max(Transfer.id), 0))) or 0)
        through = int(work.session.scalar(select(func.max(LedgerTotal.through_id))) or 0)
        carry_months(work, through)
        for total in trial_balance(work):
            work.session.merge(
                LedgerTotal(
                    purpose=total.purpose,
                    currency=total.currency,
                    through_id=last,
                    debit=total.debit,
                    credit=total.credit,
                )
            )
        return last
