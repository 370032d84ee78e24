"""Known offenders: the list, search, a record, recording and withdrawing."""

from __future__ import annotations

import datetime
from typing import Any

from starlette.responses import Response

from countersign.registrar.operations import offender_search, offenders
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.particulars.numbers import NumberKind
from countersign.registrar.particulars.places import countries
from countersign.registrar.queries import timelines
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff.applicant import NUMBER_WORDS
from countersign.registrar.web.staff.deciding import Errors, Question, decide
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.screening import Level
from countersign.storage.database.screening import Offender
from countersign.web.filters import date

pages = Pages()

_LIST = "/staff/offenders"
_ONE = _LIST + "/{offender:key}"
_SEE = staff(Permission.SEE_OFFENDERS)
_RECORD = staff(Permission.RECORD_OFFENDERS, fresh=True)
_NUMBERS = 3
"""Numbers that the form takes."""
_KINDS = [(str(kind), NUMBER_WORDS[kind]) for kind in NumberKind]
_LEVELS = [
    (str(Level.WARNED), "Warned", "One offence, remedied: the bond is multiplied."),
    (str(Level.BARRED), "Barred", "Repeated or unremedied: no registration."),
]


@pages.get(_LIST, allow=_SEE)
def show_list(visit: Visit) -> Response:
    """Show the records, the newest first, without who they are of."""
    with visit.reading() as work:
        page = offenders.list_offenders(
            work,
            visit.actor(Permission.SEE_OFFENDERS),
            cursor=visit.query.text("after", 1000) or None,
        )
    return _list(visit, page=page, hits=None, values={})


@pages.post(_LIST, allow=_SEE)
def search(visit: Visit) -> Response:
    """Look for an offender. By POST: a name stands in no address bar and no log."""
    form, errors = visit.form, Errors()
    born = _day(form.text("birth_date", 10), "birth_date", errors)
    number = offenders.GivenNumber(
        form.text("kind", 32), form.text("country", 10), form.text("number", 80)
    )
    hits = None
    if not errors:
        wanted = offender_search.Wanted(form.text("name", 300), born, number)
        try:
            actor = visit.actor(Permission.SEE_OFFENDERS)
            hits = offender_search.search_offenders(visit.office, actor, wanted)
        except OperationError as error:
            errors[""] = str(error)
    return _list(visit, page=None, hits=hits, values=form.plain(), errors=errors)


def _list(visit: Visit, *, errors: Errors | None = None, **context: Any) -> Response:
    return visit.render(
        "staff/offenders.html",
        code=422 if errors else 200,
        kinds=_KINDS,
        countries_of=countries(),
        errors=errors or {},
        may_record=visit.may(Permission.RECORD_OFFENDERS),
        **context,
    )


@pages.get(_LIST + "/record", allow=_RECORD)
def show_record(visit: Visit) -> Response:
    """Ask who the offender is."""
    return _record_form(visit, {})


@pages.post(_LIST + "/record", allow=_RECORD)
def record(visit: Visit) -> Response:
    """Add an offender."""
    form, errors = visit.form, Errors()
    born = _day(form.text("birth_date", 10), "birth_date", errors)
    offence_on = _day(form.text("offence_on", 10), "offence_on", errors)
    level = next((one for one in Level if one == form.text("level", 16)), None)
    if level is None:
        errors["level"] = "Choose how grave it is."
    if offence_on is None:
        errors.setdefault("offence_on", "Enter the day of the offence.")
    numbers = _numbers(visit, errors)
    if form.ticked("again") or errors or level is None or offence_on is None:
        return _record_form(visit, errors)
    details = offenders.Details(
        form.text("name", 300), born, form.text("address", 1000), tuple(numbers)
    )
    case = form.text("case_reference", 100)
    question = Question(
        "Add this record?",
        "Add the record",
        _LIST,
        trail=[("Offenders", _LIST)],
        summary=[
            ("Name", details.name),
            ("Born", date(born) if born else ""),
            ("Address", details.address),
            *(
                (NUMBER_WORDS.get(one.kind, one.kind), f"{one.number} ({one.country})")
                for one in details.numbers
            ),
            ("Level", str(level)),
            ("Offence", date(offence_on)),
            ("Case", case),
        ],
        kind="danger",
    )

    def act(work: Work) -> str:
        made = offenders.record_offender(
            work,
            visit.actor(Permission.RECORD_OFFENDERS),
            details,
            level=level,
            offence_on=offence_on,
            case_reference=case,
        )
        return f"The record has the number {made.id}. All applications are compared with it."

    return decide(visit, question, act, lambda errors: _record_form(visit, errors))


def _numbers(visit: Visit, errors: Errors) -> list[offenders.GivenNumber]:
    form = visit.form
    given = [
        offenders.GivenNumber(
            form.text(f"kind_{place}", 32),
            form.text(f"country_{place}", 10).upper(),
            form.text(f"number_{place}", 80),
        )
        for place in range(_NUMBERS)
    ]
    known = {kind for kind, _ in _KINDS}
    for place, one in enumerate(given):
        if one.number and (one.kind not in known or len(one.country) < 2):
            errors[f"number_{place}"] = "Give the kind and the country of each number."
    return [one for one in given if one.number]


def _record_form(visit: Visit, errors: Errors) -> Response:
    return visit.render(
        "staff/offender_record.html",
        code=422 if errors else 200,
        errors=errors,
        values=visit.form.plain(),
        kinds=_KINDS,
        countries_of=countries(),
        levels=_LEVELS,
        places=range(_NUMBERS),
    )


@pages.get(_ONE, allow=_SEE)
def show_one(visit: Visit, offender: int) -> Response:
    """Show who an offender is; the look is recorded."""
    with visit.work() as work:
        opened = offenders.open_offender(work, visit.actor(Permission.SEE_OFFENDERS), offender)
        names = timelines.names_of(work, [opened.offender.recorded_by])
    return visit.render(
        "staff/offender.html",
        offender=opened.offender,
        details=opened.details,
        number_words=NUMBER_WORDS,
        names=names,
        may_withdraw=opened.offender.withdrawn_at is None
        and visit.may(Permission.RECORD_OFFENDERS),
    )


@pages.get(_ONE + "/withdraw", allow=_RECORD)
def show_withdraw(visit: Visit, offender: int) -> Response:
    """Ask why a record is withdrawn."""
    return _withdraw_form(visit, offender, {})


@pages.post(_ONE + "/withdraw", allow=_RECORD)
def withdraw(visit: Visit, offender: int) -> Response:
    """Take a record out of every comparison."""
    reason = visit.form.text("reason", 1000)
    question = Question(
        f"Withdraw record No. {offender}?",
        "Withdraw it",
        f"{_LIST}/{offender}",
        trail=[("Offenders", _LIST), (f"No. {offender}", f"{_LIST}/{offender}")],
        summary=[("Reason", reason)],
        kind="danger",
    )

    def act(work: Work) -> str:
        actor = visit.actor(Permission.RECORD_OFFENDERS)
        offenders.withdraw_offender(work, actor, offender, reason)
        return "The record has been withdrawn: nobody is compared with it any more."

    return decide(visit, question, act, lambda errors: _withdraw_form(visit, offender, errors))


def _withdraw_form(visit: Visit, offender: int, errors: Errors) -> Response:
    with visit.reading() as work:
        found = work.session.get(Offender, offender)
    return visit.render(
        "staff/offender_withdraw.html",
        code=422 if errors else 200,
        number=offender,
        offender=found,
        errors=errors,
        values=visit.form.plain(),
    )


def _day(text: str, field: str, errors: Errors) -> datetime.date | None:
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        errors[field] = "Enter a day, such as 1970-12-31."
        return None
