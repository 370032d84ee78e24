"""Payments: what waits to be allocated, one payment, and the recording of another."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.registrar.money.reference import format_reference, make_reference
from countersign.registrar.operations import payments
from countersign.registrar.operations.intake import Receipt
from countersign.registrar.operations.office import Work
from countersign.registrar.operations.taking_back import standing_allocations
from countersign.registrar.queries import timelines, treasury
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import money_frame
from countersign.registrar.web.staff.consequences import PURPOSES
from countersign.registrar.web.staff.deciding import Errors, Question, decide
from countersign.registrar.web.staff.money_frame import LIST, MOVE, SEE
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.web.filters import date, money

pages = Pages()


@pages.get(LIST, allow=SEE)
def show_unallocated(visit: Visit) -> Response:
    """Show the payments of which something waits, the oldest first."""
    with visit.reading() as work:
        page = treasury.unallocated(work, cursor=money_frame.cursor(visit))
    return money_frame.show(visit, "staff/payments.html", "", page=page, everything=False)


@pages.get(LIST + "/all", allow=SEE)
def show_all(visit: Visit) -> Response:
    """Show all payments, the latest first."""
    with visit.reading() as work:
        page = treasury.payments(work, cursor=money_frame.cursor(visit))
    return money_frame.show(visit, "staff/payments.html", "/all", page=page, everything=True)


@pages.get(LIST + "/record", allow=MOVE)
def show_record(visit: Visit) -> Response:
    """Ask what has come in."""
    return _record_form(visit, {})


@pages.post(LIST + "/record", allow=MOVE)
def record(visit: Visit) -> Response:
    """Record a payment by hand."""
    form, errors = visit.form, Errors()
    currency = form.text("currency", 3).upper()
    amount = money_frame.amount_of(visit, currency, errors)
    day = money_frame.day_of(
        form.text("received_on", 10), "received_on", errors, "Enter the day on which it came in."
    )
    if form.ticked("again") or errors:
        return _record_form(visit, errors)
    receipt = Receipt(
        key=form.text("key", 255),
        amount=amount,
        currency=currency,
        received_on=day,
        text=form.text("text", 255),
        payer=form.text("payer", 255),
    )
    question = Question(
        "Record this payment?",
        "Record it",
        LIST,
        trail=[("Payments", LIST)],
        summary=[
            ("Amount", money(amount, currency)),
            ("Received on", date(day)),
            ("The bank's reference", receipt.key),
            ("What the payer wrote", receipt.text),
            ("Payer", receipt.payer),
        ],
    )

    def act(work: Work) -> str:
        made = payments.record(work, visit.actor(Permission.MOVE_MONEY), receipt)
        left = money_frame.left_of(made)
        rest = f"{money(left, currency)} of it wait" if left else "all of it is allocated"
        return f"Payment {made.id} is recorded: {rest}."

    return decide(visit, question, act, lambda errors: _record_form(visit, errors))


def _record_form(visit: Visit, errors: Errors) -> Response:
    return visit.render(
        "staff/payment_record.html",
        code=422 if errors else 200,
        errors=errors,
        values=visit.form.plain(),
        currency=visit.office.config.money.currency,
        trail=[("Payments", LIST)],
    )


@pages.get(LIST + "/{payment:key}", allow=SEE)
def show_one(visit: Visit, payment: int) -> Response:
    """Show a payment: what became of it, and the invoices that it may be for."""
    text = visit.query.text("invoice", 253)
    with visit.reading() as work:
        found = money_frame.payment_of(work, payment)
        left = money_frame.left_of(found)
        bills = treasury.find_bills(work, text or found.note) if left else []
        context: dict[str, Any] = {
            "payment": found,
            "left": left,
            "bills": bills,
            "names": timelines.names_of(work, [found.recorded_by]),
            "entries": treasury.entries(work, treasury.Filters(payment_id=payment)).rows,
            "standing": {one.id for one in standing_allocations(work, found)},
            "payouts": (
                treasury.payouts_of_amount(work, left, found.currency)
                if left and not found.allocated
                else []
            ),
        }
    return visit.render(
        "staff/payment.html",
        text=text,
        purposes=PURPOSES,
        reference=lambda number: format_reference(make_reference(number)),
        base=f"{LIST}/{payment}",
        trail=[("Payments", LIST)],
        **context,
    )
