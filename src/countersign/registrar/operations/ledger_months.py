"""What moved through the ledger's accounts month by month: for charts, without reading all of it.

Kept together with the totals of `statements.carry_forward`; what is newer is added up when it is
asked for.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from dateutil.relativedelta import relativedelta
from sqlalchemy import CTE, extract, func, select

from countersign.registrar.operations.office import Work
from countersign.storage.database.counting import add_to
from countersign.storage.database.money import LedgerAccount, LedgerTotal, Purpose, Transfer
from countersign.storage.database.publication import MonthCount

_SIDES = {"debit": "debit_account_id", "credit": "credit_account_id"}


@dataclass(frozen=True, slots=True)
class LedgerMonths:
    """Sums by month; all lists are as long as ``months``."""

    months: list[datetime.date]
    """First days, the oldest first, without gaps."""
    sums: dict[tuple[str, Purpose, str], list[int]]
    """By side ('debit', 'credit'), purpose and currency; in the currency's minor unit."""

    def of(self, side: str, purpose: str, currency: str) -> list[int]:
        """Return the sums of one side of the accounts of a purpose."""
        return self.sums.get((side, Purpose(purpose), currency), [0] * len(self.months))


def by_month(work: Work, number: int = 24) -> LedgerMonths:
    """Return what was debited and credited in the last months, the present one included."""
    last = work.today.replace(day=1)
    months = [last - relativedelta(months=back) for back in range(number - 1, -1, -1)]
    places = {month: place for place, month in enumerate(months)}
    sums: dict[tuple[str, Purpose, str], list[int]] = defaultdict(lambda: [0] * number)
    for row in work.session.scalars(select(MonthCount).where(MonthCount.month >= months[0])):
        key = _key_of(row.kind)
        if key is not None and row.month in places:
            sums[key][places[row.month]] += row.count
    through = int(work.session.scalar(select(func.max(LedgerTotal.through_id))) or 0)
    for month, key, amount in _after(work, through):
        if month in places:
            sums[key][places[month]] += amount
    return LedgerMonths(months, dict(sums))


def carry_months(work: Work, through: int) -> None:
    """Add the entries after one into the months' sums; in the transaction that carries totals."""
    for month, key, amount in _after(work, through):
        add_to(
            work.session, MonthCount, {"month": month, "kind": _kind_of(*key)}, {"count": amount}
        )


def _after(
    work: Work, through: int
) -> Iterator[tuple[datetime.date, tuple[str, Purpose, str], int]]:
    recent = entries_after(through).c
    year, month = extract("year", recent.at), extract("month", recent.at)
    for side, column in _SIDES.items():
        rows = work.session.execute(
            select(year, month, LedgerAccount.purpose, recent.currency, func.sum(recent.amount))
            .join(LedgerAccount, LedgerAccount.id == recent[column])
            .group_by(year, month, LedgerAccount.purpose, recent.currency)
            .order_by(year, month, LedgerAccount.purpose, recent.currency)
        )
        for in_year, in_month, purpose, currency, amount in rows:
            day = datetime.date(int(in_year), int(in_month), 1)
            yield day, (side, purpose, currency), int(amount)


def entries_after(through: int) -> CTE:
    """Return the entries after one, to be selected from.

    They are few, and are found first: else an engine may begin with all accounts there are.
    """
    columns = (
        Transfer.at,
        Transfer.debit_account_id,
        Transfer.credit_account_id,
        Transfer.currency,
        Transfer.amount,
    )
    recent = select(*columns).where(Transfer.id > through).cte("recent")
    return recent.prefix_with("MATERIALIZED")


def _kind_of(side: str, purpose: Purpose, currency: str) -> str:
    return f"ledger {side} {purpose} {currency}"


def _key_of(kind: str) -> tuple[str, Purpose, str] | None:
    parts = kind.split(" ")
    if len(parts) != 4 or parts[0] != "ledger":
        return None
    return parts[1], Purpose(parts[2]), parts[3]
