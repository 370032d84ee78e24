"""The API's part for a program that asks what it may do."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import ANY_TOKEN, Caller, office_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.problems import answers
from countersign.registrar.api.shapes import Shape
from countersign.registrar.operations.offender_queries import queries_left
from countersign.registrar.web.access import declare
from countersign.rules.access import Scope
from countersign.rules.roles import Role
from countersign.storage.database.accounts import ApiToken

router = APIRouter(tags=["Token"], route_class=GuardedRoute)


class Me(Shape):
    """What a token may do."""

    token: str
    """The name that it was given."""
    scopes: list[Scope]
    roles: list[Role]
    """Of its account; no program acts for the registrar's staff."""
    server: int | None
    """The one server that it is good for; null: all of the account's."""
    expires_at: datetime.datetime
    questions_left: int
    """Questions about offenders that the account still has in these 24 hours."""


@router.get("/me", response_model=Me, responses=answers(304))
@declare(ANY_TOKEN)
def get_me(request: Request, *, bearer: Caller, if_none_match: IfNoneMatch = None) -> Response:
    """Get what your token may do, and until when."""
    with office_of(request).reading() as work:
        row = work.session.get_one(ApiToken, bearer.token_id)
        me = Me(
            token=row.name,
            scopes=sorted(bearer.scopes),
            roles=sorted(bearer.roles),
            server=bearer.server_id,
            expires_at=row.expires_at,
            questions_left=queries_left(work, bearer.account_id),
        )
    return show(me, if_none_match)
