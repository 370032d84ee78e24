"""When the yearly fee is due, reminded of, and missed (DESIGN §6). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dateutil.relativedelta import relativedelta


def paid_until(previous: date | None, paid_on: date) -> date:
    """Return the last day that a yearly fee paid on a day covers.

    An early payment loses no days; a late one begins anew.
    """
    begin = previous if previous is not None and previous >= paid_on else paid_on
    return begin + relativedelta(years=1)


def reminder_due(until: date, today: date, reminder_days: Sequence[int]) -> int | None:
    """Return which reminder stands today: the smallest of `reminder_days` not yet passed.

    So a registrar that was down on the very day reminds on the next one, once.
    """
    left = (until - today).days
    if left < 0:
        return None
    due = [days for days in reminder_days if left <= days]
    return min(due) if due else None


def has_lapsed(until: date, today: date) -> bool:
    """Return whether the fee has run out."""
    return today > until
