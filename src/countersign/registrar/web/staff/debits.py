"""Debits on bank statements that wait to be explained, and refunds that wait to be paid out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.operations import bank_debits, payouts
from countersign.registrar.operations.office import ConflictError, NotFoundError, Work
from countersign.registrar.operations.sanctions import check_impartial
from countersign.registrar.queries import treasury
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import money_frame
from countersign.registrar.web.staff.deciding import Errors, Question, decide, seen_version
from countersign.registrar.web.staff.money_frame import LIST, MOVE, SEE
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.money import (
    BankDebit,
    DebitState,
    LedgerAccount,
    Payment,
    Purpose,
    Transfer,
)
from countersign.storage.database.servers import Server
from countersign.web.filters import money

pages = Pages()

_DEBITS = LIST + "/debits"
_PAYOUTS = LIST + "/payouts"
_PAGE = 50


@pages.get(_DEBITS, allow=SEE)
def show_debits(visit: Visit) -> Response:
    """Show the debits that nobody has explained, the oldest first."""
    with visit.reading() as work:
        found = bank_debits.open_debits(work, after=visit.query.integer("after"), limit=_PAGE + 1)
    return money_frame.show(
        visit,
        "staff/debits.html",
        "/debits",
        debits=found[:_PAGE],
        next_after=found[_PAGE - 1].id if len(found) > _PAGE else 0,
    )


@pages.get(_DEBITS + "/{debit:key}", allow=MOVE)
def show_debit(visit: Visit, debit: int) -> Response:
    """Show a debit, and what it may be."""
    return _debit_form(visit, debit, {})


@pages.post(_DEBITS + "/{debit:key}", allow=MOVE)
def settle(visit: Visit, debit: int) -> Response:
    """Say what a debit is: a payout, a payment taken back, a charge."""
    form = visit.form
    kind, _, key = form.text("meaning", 64).partition(":")
    reason = form.text("reason", 255)
    if kind not in ("payout", "reversal", "charge"):
        return _debit_form(visit, debit, {"meaning": "Choose what it is."})
    with visit.reading() as work:
        found = _debit(work, debit)
    meaning = {
        "payout": f"The payout of entry {key}",
        "reversal": f"The bank took payment {key} back",
        "charge": "A charge, or a loss",
    }[kind]
    question = Question(
        "Is that what it is?",
        "That is what it is",
        _DEBITS,
        trail=[("Payments", LIST), ("Debits", _DEBITS)],
        summary=[
            ("Debit", money(found.amount, found.currency)),
            ("What it is", meaning),
            ("Reason", reason),
        ],
        kind="danger" if kind == "reversal" else "",
    )

    def act(work: Work) -> str:
        actor, one, version = (
            visit.actor(Permission.MOVE_MONEY),
            _debit(work, debit),
            seen_version(visit),
        )
        if kind == "charge":
            bank_debits.settle_as_charge(work, actor, one, reason, seen_version=version)
        elif kind == "payout":
            payout = _row(work, Transfer, key)
            bank_debits.settle_as_payout(work, actor, one, payout, seen_version=version)
        else:
            payment = _row(work, Payment, key)
            bank_debits.settle_as_reversal(work, actor, one, payment, seen_version=version)
        return "The debit is explained."

    return decide(visit, question, act, lambda errors: _debit_form(visit, debit, errors))


def _debit_form(visit: Visit, debit: int, errors: Errors) -> Response:
    with visit.reading() as work:
        found = _debit(work, debit)
        context: dict[str, Any] = {"debit": found, "payouts": [], "same": []}
        if found.state is DebitState.OPEN:
            context["payouts"] = treasury.payouts_of_amount(work, found.amount, found.currency)
            context["same"] = treasury.payments_of_amount(work, found.amount, found.currency)
    return visit.render(
        "staff/debit.html",
        code=422 if errors else 200,
        errors=errors,
        values=visit.form.plain(),
        trail=[("Payments", LIST), ("Debits", _DEBITS)],
        is_open=found.state is DebitState.OPEN,
        **context,
    )


@pages.get(_PAYOUTS, allow=SEE)
def show_payouts(visit: Visit) -> Response:
    """Show what is to be paid out to owners."""
    with visit.reading() as work:
        found = payouts.due(work, after=visit.query.integer("after"), limit=_PAGE + 1)
    return money_frame.show(
        visit,
        "staff/payouts.html",
        "/payouts",
        due=found[:_PAGE],
        next_after=found[_PAGE - 1].account_id if len(found) > _PAGE else 0,
    )


@pages.get(_PAYOUTS + "/{account:key}", allow=MOVE)
def show_payout(visit: Visit, account: int) -> Response:
    """Ask by which transfer a refund was paid."""
    return _payout_form(visit, account, {})


@pages.post(_PAYOUTS + "/{account:key}", allow=MOVE)
def pay_out(visit: Visit, account: int) -> Response:
    """Record that money due to an owner was sent."""
    errors = Errors()
    with visit.reading() as work:
        row, server = _due(work, account)
    amount = money_frame.amount_of(visit, row.currency, errors)
    reference = visit.form.text("bank_reference", 255)
    seen = visit.form.integer("seen_balance")
    if errors:
        return _payout_form(visit, account, errors)
    question = Question(
        f"Was this paid to the owner of {server.hostname}?",
        "It was paid",
        _PAYOUTS,
        trail=[("Payments", LIST), ("Refunds", _PAYOUTS)],
        summary=[("Amount", money(amount, row.currency)), ("The bank's reference", reference)],
        server_id=server.id,
    )

    def act(work: Work) -> str:
        found, owner = _due(work, account)
        check_impartial(visit.actor(Permission.MOVE_MONEY), owner)
        if found.balance != seen:
            raise ConflictError(f"{money(found.balance, found.currency)} are due now.")
        payouts.pay_out(
            work,
            visit.actor(Permission.MOVE_MONEY),
            owner,
            amount,
            currency=found.currency,
            bank_reference=reference,
        )
        return f"{money(amount, found.currency)} are recorded as paid out."

    return decide(visit, question, act, lambda errors: _payout_form(visit, account, errors))


def _payout_form(visit: Visit, account: int, errors: Errors) -> Response:
    with visit.reading() as work:
        row, server = _due(work, account)
    return visit.render(
        "staff/payout.html",
        code=422 if errors else 200,
        account=row,
        server=server,
        suggested=money_frame.written(row.balance, row.currency),
        errors=errors,
        values=visit.form.plain(),
        trail=[("Payments", LIST), ("Refunds", _PAYOUTS)],
    )


def _due(work: Work, account: int) -> tuple[LedgerAccount, Server]:
    found = work.session.execute(
        select(LedgerAccount, Server)
        .join(Server, Server.id == LedgerAccount.server_id)
        .where(LedgerAccount.id == account, LedgerAccount.purpose == Purpose.REFUND_DUE)
    ).first()
    if found is None:
        raise NotFoundError("There is no such refund.")
    return found[0], found[1]


def _debit(work: Work, debit: int) -> BankDebit:
    found = work.session.get(BankDebit, debit)
    if found is None:
        raise NotFoundError("There is no such debit.")
    return found


def _row(work: Work, model: Any, key: str) -> Any:
    found = work.session.get(model, int(key)) if key.isdecimal() and len(key) < 18 else None
    if found is None:
        raise NotFoundError("There is no such entry or payment.")
    return found
