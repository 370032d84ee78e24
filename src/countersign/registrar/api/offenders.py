"""The API's part for questions about offenders."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from countersign.registrar.api.caller import Caller, server_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.idempotency import Key, change
from countersign.registrar.api.problems import answers
from countersign.registrar.api.shapes import Day, Key53, Line, Shape, Wanted, example
from countersign.registrar.operations import offender_queries
from countersign.registrar.operations.offenders import MAX_NUMBERS, GivenNumber
from countersign.registrar.operations.office import Work
from countersign.registrar.particulars.numbers import MAX_NUMBER, NumberKind
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope
from countersign.rules.screening import Level

router = APIRouter(tags=["Offenders"], route_class=GuardedRoute)


class Number(Wanted):
    """An identity number as it is on the papers."""

    kind: NumberKind
    country: Annotated[str, Field(pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
    """ISO 3166-1, or as AU-QLD where a state issued the document."""
    number: Annotated[Line, Field(min_length=1, max_length=MAX_NUMBER)]


class OffenderQuestion(Wanted):
    """About whom: a number, or both name and birth date."""

    model_config = example(purpose="A new user.", name="Max Mustermann", birth_date="1975-03-09")

    purpose: Annotated[Line, Field(min_length=1)]
    """Why it is asked; kept."""
    name: Line = ""
    birth_date: Day | None = None
    numbers: Annotated[list[Number], Field(max_length=MAX_NUMBERS, default_factory=list)]


class OffenderAnswer(Shape):
    """What the asker learns."""

    level: Level | None
    """Null: no such offender is known."""
    month: datetime.date | None
    """First day of the month of the last offence."""
    questions_left: int
    """In these 24 hours."""


@router.post(
    "/servers/{server}/offender-queries",
    response_model=OffenderAnswer,
    responses=answers(404, 409, 422),
)
@declare(token(Scope.QUERY_OFFENDERS))
def ask_about_offender(
    request: Request, server: Key53, wanted: OffenderQuestion, *, bearer: Caller, key: Key = None
) -> Response:
    """Ask whether somebody is a known offender. Questions are few, and each is recorded."""
    question = offender_queries.Question(
        name=wanted.name,
        birth_date=wanted.birth_date,
        numbers=tuple(
            GivenNumber(kind=str(one.kind), country=one.country, number=one.number)
            for one in wanted.numbers
        ),
    )

    def ask(work: Work) -> OffenderAnswer:
        found, actor = server_of(work, bearer, server, Permission.QUERY_OFFENDERS)
        answer = offender_queries.query_offenders(work, actor, found, question, wanted.purpose)
        return OffenderAnswer(level=answer.level, month=answer.month, questions_left=answer.left)

    return change(request, bearer, key, ask)
