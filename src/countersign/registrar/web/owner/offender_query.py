"""Owners of registered servers ask whether somebody is a known offender: a level and a month."""

from __future__ import annotations

import datetime
from typing import Any

from starlette.responses import Response

from countersign.registrar.operations.access import server_for
from countersign.registrar.operations.offender_queries import (
    Answer,
    Question,
    queries_left,
    query_offenders,
)
from countersign.registrar.operations.offenders import GivenNumber
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.particulars.numbers import NumberKind, find_state, states_of
from countersign.registrar.particulars.places import countries
from countersign.registrar.queries.offender_questions import questions_of, servers_that_may_ask
from countersign.registrar.web.access import SIGNED_IN
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()

_KINDS = {
    NumberKind.DRIVERS_LICENCE: "Driver’s licence",
    NumberKind.PASSPORT: "Passport",
    NumberKind.NATIONAL_ID: "National identity card",
    NumberKind.SSN: "US Social Security number",
    NumberKind.ACN: "ACN",
    NumberKind.ABN: "ABN",
    NumberKind.COMPANY: "Registered business number",
}
_COUNTRY_OF = {NumberKind.SSN: "US", NumberKind.ACN: "AU", NumberKind.ABN: "AU"}


@pages.get("/offender-query", allow=SIGNED_IN)
def show_query(visit: Visit) -> Response:
    """Show the form, how many questions are left, and when one asked before."""
    return _page(visit)


@pages.post("/offender-query", allow=SIGNED_IN)
def ask(visit: Visit) -> Response:
    """Answer a question; the answer is shown once, by this very page."""
    form = visit.form
    try:
        question = Question(
            name=form.text("name", 255),
            birth_date=_birth_date(form.text("birth_date", 32)),
            numbers=_numbers(visit),
        )
        with visit.work() as work:
            server, actor = server_for(
                work,
                visit.me.account_id,
                visit.me.roles,
                form.integer("server"),
                Permission.QUERY_OFFENDERS,
            )
            answer = query_offenders(work, actor, server, question, form.text("purpose", 2000))
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _page(visit, error=str(error), code=422)
    return _page(visit, answer=answer)


def _birth_date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if text else None
    except ValueError:
        raise OperationError(
            "Write the date of birth as year-month-day, such as 1970-12-31."
        ) from None


def _numbers(visit: Visit) -> tuple[GivenNumber, ...]:
    number = visit.form.text("number", 255)
    if not number:
        return ()
    kind = next((one for one in NumberKind if one == visit.form.text("kind", 32)), None)
    if kind is None:
        raise OperationError("Choose what kind of number it is.")
    country = _COUNTRY_OF.get(kind) or visit.form.text("country", 255)
    if country not in dict(countries()):
        raise OperationError("Choose the country that issued the number.")
    if kind is NumberKind.DRIVERS_LICENCE and states_of(country):
        try:
            country = f"{country}-{find_state(country, visit.form.text('region', 255))}"
        except ValueError as error:
            raise OperationError(str(error)) from None
    return (GivenNumber(str(kind), country, number),)


def _page(
    visit: Visit, *, answer: Answer | None = None, error: str = "", code: int = 200
) -> Response:
    with visit.reading() as work:
        servers = servers_that_may_ask(work, visit.me.account_id)
        left = queries_left(work, visit.me.account_id)
        page = questions_of(
            work, visit.me.account_id, cursor=visit.query.text("after", 1000) or None
        )
    context: dict[str, Any] = {
        "servers": servers,
        "left": left,
        "most": visit.office.config.security.offender_queries,
        "page": page,
        "answer": answer,
        "kinds": [(str(kind), label) for kind, label in _KINDS.items()],
        "all_countries": countries(),
        "values": visit.form.plain(),
        "errors": {"": error} if error else {},
    }
    return visit.render("owner/offender_query.html", code=code, **context)
