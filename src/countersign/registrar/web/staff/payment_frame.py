"""What stands around each form about one payment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.web.staff import money_frame
from countersign.registrar.web.staff.deciding import Errors, Question
from countersign.registrar.web.staff.money_frame import LIST
from countersign.registrar.web.visit import Visit
from countersign.storage.database.money import Payment, Transfer
from countersign.web.filters import money

ONE = LIST + "/{payment:key}"


def show_form(
    visit: Visit, template: str, found: Payment, errors: Errors, **context: Any
) -> Response:
    """Show a form about a payment; it carries the version that is seen."""
    return visit.render(
        template,
        code=422 if errors else 200,
        payment=found,
        left=money_frame.left_of(found),
        errors=errors,
        values=visit.form.plain(),
        trail=_trail(found.id),
        back=f"{LIST}/{found.id}",
        **context,
    )


def question(
    found: Payment,
    title: str,
    button: str,
    summary: list[tuple[str, object]],
    kind: str = "",
) -> Question:
    """Return a decision about a payment."""
    heading = ("Payment", f"{found.id}, of {money(found.amount, found.currency)}")
    return Question(
        title,
        button,
        f"{LIST}/{found.id}",
        trail=_trail(found.id),
        summary=[heading, *summary],
        kind=kind,
    )


def _trail(payment: int) -> list[tuple[str, str]]:
    return [("Payments", LIST), (f"Payment {payment}", f"{LIST}/{payment}")]


def payment_of(visit: Visit, payment: int) -> Payment:
    """Return the payment of the path. Raises :class:`NotFoundError`."""
    with visit.reading() as work:
        return money_frame.payment_of(work, payment)


def entry_of(work: Work, number: int) -> Transfer:
    """Return an entry of the ledger. Raises :class:`NotFoundError`."""
    found = work.session.scalar(select(Transfer).where(Transfer.id == number))
    if found is None:
        raise NotFoundError("There is no such entry.")
    return found
