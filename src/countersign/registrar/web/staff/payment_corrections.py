"""What a treasurer puts right with a payment: undone, taken back, booked to charges."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import bank_debits, taking_back
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import money_frame, payment_frame
from countersign.registrar.web.staff.deciding import Act, Errors, decide, seen_version
from countersign.registrar.web.staff.money_frame import MOVE
from countersign.registrar.web.staff.payment_frame import ONE
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()


@pages.get(ONE + "/not-for-us", allow=MOVE)
def show_charge_back(visit: Visit, payment: int) -> Response:
    """Ask what the rest of a payment is, if no invoice's."""
    return _reason_form(visit, payment, {}, _CHARGE_BACK)


@pages.post(ONE + "/not-for-us", allow=MOVE)
def charge_back(visit: Visit, payment: int) -> Response:
    """Say that what is left of a payment is a charge that came back, or interest."""
    reason = visit.form.text("reason", 255)

    def act(work: Work) -> str:
        bank_debits.charge_came_back(
            work,
            visit.actor(Permission.MOVE_MONEY),
            money_frame.payment_of(work, payment),
            reason,
            seen_version=seen_version(visit),
        )
        return "It is booked to charges."

    return _with_reason(visit, payment, act, _CHARGE_BACK)


@pages.get(ONE + "/take-back", allow=MOVE)
def show_take_back(visit: Visit, payment: int) -> Response:
    """Ask why a whole payment is taken back."""
    return _reason_form(visit, payment, {}, _TAKE_BACK)


@pages.post(ONE + "/take-back", allow=MOVE)
def take_back(visit: Visit, payment: int) -> Response:
    """Take a whole payment back: the bank has, or it was recorded twice."""
    reason = visit.form.text("reason", 255)

    def act(work: Work) -> str:
        if not reason:
            raise OperationError("Say why: the owners are told.")
        taking_back.take_back(
            work,
            visit.actor(Permission.MOVE_MONEY),
            money_frame.payment_of(work, payment),
            reason,
            seen_version=seen_version(visit),
        )
        return f"Payment {payment} has been taken back."

    return _with_reason(visit, payment, act, _TAKE_BACK)


@pages.get(ONE + "/undo/{entry:key}", allow=MOVE)
def show_undo(visit: Visit, payment: int, entry: int) -> Response:
    """Ask why an allocation is undone."""
    return _reason_form(visit, payment, {}, _UNDO)


@pages.post(ONE + "/undo/{entry:key}", allow=MOVE)
def undo(visit: Visit, payment: int, entry: int) -> Response:
    """Take money from an invoice that it was put to by mistake."""
    reason = visit.form.text("reason", 255)

    def act(work: Work) -> str:
        taking_back.deallocate(
            work,
            visit.actor(Permission.MOVE_MONEY),
            money_frame.payment_of(work, payment),
            payment_frame.entry_of(work, entry),
            reason,
            seen_version=seen_version(visit),
        )
        return "The money is unallocated again."

    return _with_reason(visit, payment, act, _UNDO)


_Words = dict[str, str]
_CHARGE_BACK: _Words = {
    "title": "Is the rest a charge that came back, or interest?",
    "lead": "What is left of the payment is booked to charges; no invoice gets it.",
    "label": "What was it paid for?",
    "button": "Book it to charges",
    "kind": "",
}
_TAKE_BACK: _Words = {
    "title": "Take the whole payment back?",
    "lead": "Because the bank took it back, or it was recorded twice. Invoices that it paid are "
    "open again, and what they were for is missing.",
    "label": "Why?",
    "button": "Take it back",
    "kind": "danger",
}
_UNDO: _Words = {
    "title": "Take it from the invoice again?",
    "lead": "Because it was put there by mistake. The invoice is open again; the owner is told.",
    "label": "Why?",
    "button": "Undo it",
    "kind": "danger",
}


def _with_reason(visit: Visit, payment: int, act: Act, words: _Words) -> Response:
    found = payment_frame.payment_of(visit, payment)
    summary: list[tuple[str, object]] = [(words["label"], visit.form.text("reason", 255))]
    question = payment_frame.question(
        found, words["title"], words["button"], summary, words["kind"]
    )

    def show_form(errors: Errors) -> Response:
        return _reason_form(visit, payment, errors, words)

    return decide(visit, question, act, show_form)


def _reason_form(visit: Visit, payment: int, errors: Errors, words: _Words) -> Response:
    found = payment_frame.payment_of(visit, payment)
    return payment_frame.show_form(visit, "staff/payment_reason.html", found, errors, words=words)
