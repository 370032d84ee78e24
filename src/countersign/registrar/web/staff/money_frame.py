"""What the treasurers' pages share: tabs, amounts as they are typed, references."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.money.amount import AmountError, to_decimal, to_minor
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.web.access import staff
from countersign.registrar.web.staff.deciding import Errors
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.money import Payment

LIST = "/staff/payments"
SEE = staff(Permission.MOVE_MONEY)
MOVE = staff(Permission.MOVE_MONEY, fresh=True)
_TABS = (
    ("To allocate", ""),
    ("Debits to explain", "/debits"),
    ("Refunds to pay out", "/payouts"),
    ("All payments", "/all"),
)


def show(visit: Visit, template: str, tab: str, **context: Any) -> Response:
    """Return one of the lists."""
    tabs = [(label, f"{LIST}{path}", path == tab) for label, path in _TABS]
    return visit.render(template, tabs=tabs, base=LIST, **context)


def cursor(visit: Visit) -> str | None:
    """Return the page that is asked for."""
    return visit.query.text("after", 1000) or None


def payment_of(work: Work, payment: int) -> Payment:
    """Return a payment. Raises :class:`NotFoundError`."""
    found = work.session.scalar(select(Payment).where(Payment.id == payment))
    if found is None:
        raise NotFoundError("There is no such payment.")
    return found


def left_of(payment: Payment) -> int:
    """Return what of a payment is not allocated, in its minor unit."""
    return payment.amount - payment.allocated


def amount_of(visit: Visit, currency: str, errors: Errors, field: str = "amount") -> int:
    """Return an amount of money from a form, in the minor unit; adds to the errors."""
    text = visit.form.text(field, 40).replace(",", "").replace(" ", "")
    try:
        return to_minor(text, currency)
    except AmountError as error:
        errors[field] = f"Check the amount: {error}."
        return 0


def written(minor: int, currency: str) -> str:
    """Return an amount as it stands in a form's field: '2500.00'."""
    return format(to_decimal(minor, currency), "f") if currency else ""


def day_of(text: str, field: str, errors: Errors, words: str) -> datetime.date:
    """Return a day from a form; adds to the errors."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        errors[field] = words
        return datetime.date.min
