"""What a treasurer does with a payment: to an invoice, back to the payer, due to an owner again."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import payments, payouts
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.operations.sanctions import check_impartial
from countersign.registrar.queries import treasury
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import money_frame, payment_frame
from countersign.registrar.web.staff.deciding import Errors, decide, seen_version
from countersign.registrar.web.staff.money_frame import MOVE
from countersign.registrar.web.staff.payment_frame import ONE
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.money import Invoice
from countersign.storage.database.servers import Server
from countersign.web.filters import money

pages = Pages()


@pages.get(ONE + "/allocate", allow=MOVE)
def show_allocate(visit: Visit, payment: int) -> Response:
    """Ask how much goes to an invoice."""
    return _allocate_form(visit, payment, {})


@pages.post(ONE + "/allocate", allow=MOVE)
def allocate(visit: Visit, payment: int) -> Response:
    """Put some of a payment to an invoice."""
    errors = Errors()
    found = payment_frame.payment_of(visit, payment)
    amount = money_frame.amount_of(visit, found.currency, errors)
    number = visit.form.integer("invoice", low=1)
    if errors:
        return _allocate_form(visit, payment, errors)
    question = payment_frame.question(
        found,
        f"Put it to invoice {number}?",
        "Put it there",
        [("Amount", money(amount, found.currency)), ("Invoice", number)],
    )

    def act(work: Work) -> str:
        invoice = work.session.get(Invoice, number)
        if invoice is None:
            raise NotFoundError("There is no such invoice.")
        actor = visit.actor(Permission.MOVE_MONEY)
        check_impartial(actor, work.session.get_one(Server, invoice.server_id))
        payments.allocate(
            work,
            actor,
            money_frame.payment_of(work, payment),
            invoice,
            amount,
            seen_version=seen_version(visit),
        )
        return f"{money(amount, found.currency)} were put to invoice {number}."

    return decide(visit, question, act, lambda errors: _allocate_form(visit, payment, errors))


def _allocate_form(visit: Visit, payment: int, errors: Errors) -> Response:
    fields = visit.form if visit.form.values else visit.query
    with visit.reading() as work:
        found = money_frame.payment_of(work, payment)
        bill = treasury.bill(work, fields.integer("invoice", low=1))
    if bill is None:
        raise NotFoundError("There is no such invoice.")
    most = min(money_frame.left_of(found), bill.owed)
    return payment_frame.show_form(
        visit,
        "staff/allocate.html",
        found,
        errors,
        bill=bill,
        suggested=money_frame.written(most, found.currency),
    )


@pages.get(ONE + "/return", allow=MOVE)
def show_return(visit: Visit, payment: int) -> Response:
    """Ask how much was sent back to the payer."""
    return _return_form(visit, payment, {})


@pages.post(ONE + "/return", allow=MOVE)
def give_back(visit: Visit, payment: int) -> Response:
    """Record that some of a payment was sent back to the payer."""
    errors = Errors()
    found = payment_frame.payment_of(visit, payment)
    amount = money_frame.amount_of(visit, found.currency, errors)
    reference = visit.form.text("bank_reference", 255)
    if errors:
        return _return_form(visit, payment, errors)
    question = payment_frame.question(
        found,
        "Was this sent back to the payer?",
        "It was sent back",
        [("Amount", money(amount, found.currency)), ("The bank's reference", reference)],
    )

    def act(work: Work) -> str:
        payments.give_back(
            work,
            visit.actor(Permission.MOVE_MONEY),
            money_frame.payment_of(work, payment),
            amount,
            reference,
            seen_version=seen_version(visit),
        )
        return f"{money(amount, found.currency)} are recorded as sent back."

    return decide(visit, question, act, lambda errors: _return_form(visit, payment, errors))


def _return_form(visit: Visit, payment: int, errors: Errors) -> Response:
    found = payment_frame.payment_of(visit, payment)
    left = money_frame.written(money_frame.left_of(found), found.currency)
    return payment_frame.show_form(visit, "staff/give_back.html", found, errors, suggested=left)


@pages.get(ONE + "/came-back", allow=MOVE)
def show_came_back(visit: Visit, payment: int) -> Response:
    """Ask whether a payment is a payout that did not reach its goal."""
    return _came_back_form(visit, payment, {})


@pages.post(ONE + "/came-back", allow=MOVE)
def came_back(visit: Visit, payment: int) -> Response:
    """Record that a payment is a payout which came back: it is due again."""
    number = visit.form.integer("payout", low=1)
    if not number:
        return _came_back_form(visit, payment, {"payout": "Choose the payout that came back."})
    found = payment_frame.payment_of(visit, payment)
    question = payment_frame.question(
        found, "Is this a payout that came back?", "It came back", [("Payout", f"entry {number}")]
    )

    def act(work: Work) -> str:
        payout = payment_frame.entry_of(work, number)
        payouts.payout_came_back(
            work,
            visit.actor(Permission.MOVE_MONEY),
            money_frame.payment_of(work, payment),
            payout,
            seen_version=seen_version(visit),
        )
        return "It is due to the owner again."

    return decide(visit, question, act, lambda errors: _came_back_form(visit, payment, errors))


def _came_back_form(visit: Visit, payment: int, errors: Errors) -> Response:
    with visit.reading() as work:
        found = money_frame.payment_of(work, payment)
        left = money_frame.left_of(found)
        choices = treasury.payouts_of_amount(work, left, found.currency)
    return payment_frame.show_form(visit, "staff/came_back.html", found, errors, choices=choices)
