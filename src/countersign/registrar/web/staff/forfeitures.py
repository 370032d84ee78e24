"""Forfeitures of bonds: proposed by one person, replied to, decided by a second."""

from __future__ import annotations

import datetime
import re
from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.money.amount import AmountError, to_decimal, to_minor
from countersign.registrar.operations import forfeitures
from countersign.registrar.operations.answering import answerable
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.office import NotFoundError, OperationError, Work
from countersign.registrar.queries import timelines
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import server_frame
from countersign.registrar.web.staff.deciding import Errors, decide, seen_version
from countersign.registrar.web.staff.server_frame import ONE, staff_access
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.web.filters import date, money

pages = Pages()

_PROPOSE = staff_access(Permission.ADJUDICATE, fresh=True)
_SEE = staff_access(Permission.SEE_MONEY)
_CONFIRM = staff_access(Permission.CONFIRM_FORFEITURE, fresh=True)
_ONE = ONE + "/forfeitures/{forfeiture:key}"
_MOST_KEYS = 50


@pages.get(ONE + "/forfeitures/propose", allow=_PROPOSE)
def show_propose(visit: Visit, server: int) -> Response:
    """Ask how much, why, and since when."""
    return _propose_form(visit, server, {})


@pages.post(ONE + "/forfeitures/propose", allow=_PROPOSE)
def propose(visit: Visit, server: int) -> Response:
    """Propose to find that a server was used to spam, and to forfeit some of its bond."""
    form, errors = visit.form, Errors()
    reason = form.text("reason", 1000)
    with visit.reading() as work:
        row = server_frame.find(work, server)
    currency = row.bond_currency or visit.office.config.money.currency
    amount = _amount(form.text("amount", 32), currency, errors)
    offence_on = _day(form.text("offence_on", 10), errors)
    evidence = {"reports": keys} if (keys := _keys(form.text("evidence", 1000))) else {}
    if errors or form.ticked("again"):
        return _propose_form(visit, server, errors)
    question = server_frame.question(
        row,
        "Propose a forfeiture of {host}?",
        "Propose it",
        kind="danger",
        summary=[
            ("Amount", money(amount, currency)),
            ("Spam was sent on", date(offence_on)),
            ("Reason", reason),
            ("Evidence", ", ".join(keys)),
        ],
    )

    def act(work: Work) -> str:
        forfeitures.propose(
            work,
            visit.actor(Permission.ADJUDICATE),
            server_frame.find(work, server),
            amount=amount,
            reason=reason,
            offence_on=offence_on,
            evidence=evidence,
            seen_version=seen_version(visit),
        )
        return "The forfeiture is proposed; the owner has been told, and may reply."

    return decide(visit, question, act, lambda errors: _propose_form(visit, server, errors))


def _propose_form(visit: Visit, server: int, errors: Errors) -> Response:
    with visit.reading() as work:
        row = server_frame.find(work, server)
        held = bond_held(work, server, row.bond_currency)
    currency = row.bond_currency or visit.office.config.money.currency
    return server_frame.show_form(
        visit,
        "staff/propose.html",
        server,
        errors,
        held=held,
        currency=currency,
        held_decimal=to_decimal(held, currency),
        reply_days=visit.office.config.money.reply_days,
    )


@pages.get(_ONE, allow=_SEE)
def show_one(visit: Visit, server: int, forfeiture: int) -> Response:
    """Show a forfeiture: the finding, the replies, and who may decide."""
    with visit.reading() as work:
        row, found = server_frame.find(work, server), _find(work, server, forfeiture)
        context: dict[str, Any] = {
            "found": found,
            "names": timelines.names_of(work, [found.proposed_by, found.decided_by]),
            "events": timelines.of_forfeiture(work, server, forfeiture),
            "sponsors": answerable(work, row, found),
            "held": bond_held(work, server, found.currency),
        }
    return server_frame.show(
        visit,
        "staff/forfeiture.html",
        row,
        trail=server_frame.trail(row),
        is_open=found.state is ForfeitureState.PROPOSED,
        may_decide=visit.may(Permission.CONFIRM_FORFEITURE),
        is_mine=found.proposed_by == visit.me.account_id,
        **context,
    )


@pages.get(_ONE + "/decision", allow=_CONFIRM)
def show_decision(visit: Visit, server: int, forfeiture: int) -> Response:
    """Ask for the decision on a forfeiture."""
    return _decision_form(visit, server, forfeiture, {})


@pages.post(_ONE + "/decision", allow=_CONFIRM)
def make_decision(visit: Visit, server: int, forfeiture: int) -> Response:
    """Confirm a forfeiture, as a second person, or drop it."""
    form = visit.form
    decision, reason = form.text("decision", 16), form.text("reason", 1000)
    if decision not in ("confirm", "drop"):
        return _decision_form(visit, server, forfeiture, {"decision": "Choose what you decide."})
    with visit.reading() as work:
        row, found = server_frame.find(work, server), _find(work, server, forfeiture)
    confirms = decision == "confirm"
    question = server_frame.question(
        row,
        "Forfeit the bond of {host}?" if confirms else "Drop the forfeiture of {host}?",
        "Forfeit it" if confirms else "Drop it",
        kind="danger" if confirms else "",
        summary=[("Amount", money(found.amount, found.currency)), ("Reason", reason)],
    )

    def act(work: Work) -> str:
        one = _find(work, server, forfeiture)
        actor, version = visit.actor(Permission.CONFIRM_FORFEITURE), seen_version(visit)
        if confirms:
            forfeitures.confirm(work, actor, one, reason, seen_version=version)
            return "The forfeiture has been made."
        forfeitures.drop(work, actor, one, reason, seen_version=version)
        return "The forfeiture has been dropped."

    return decide(
        visit, question, act, lambda errors: _decision_form(visit, server, forfeiture, errors)
    )


def _decision_form(visit: Visit, server: int, forfeiture: int, errors: Errors) -> Response:
    with visit.reading() as work:
        found = _find(work, server, forfeiture)
    return server_frame.show_form(
        visit,
        "staff/forfeiture_decision.html",
        server,
        errors,
        version=found.version,
        found=found,
        may_confirm=found.proposed_by != visit.me.account_id,
    )


def _find(work: Work, server: int, forfeiture: int) -> Forfeiture:
    found = work.session.scalar(
        select(Forfeiture).where(Forfeiture.id == forfeiture, Forfeiture.server_id == server)
    )
    if found is None:
        raise NotFoundError("There is no such forfeiture.")
    return found


def _amount(text: str, currency: str, errors: Errors) -> int:
    try:
        return to_minor(text.replace(",", ""), currency)
    except AmountError:
        errors["amount"] = "Enter an amount, such as 2500.00; 0 for the offence alone."
        return 0


def _day(text: str, errors: Errors) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        errors["offence_on"] = "Enter the day on which the spam was sent."
        return datetime.date.min


def _keys(text: str) -> list[str]:
    """Return the keys of reports: words without spaces, never a sentence about somebody."""
    found = re.split(r"[\s,;]+", text.strip())
    if len(found) > _MOST_KEYS or any(len(one) > 64 for one in found):
        raise OperationError(f"Name at most {_MOST_KEYS} reports, each by its key.")
    return [one for one in found if one]
