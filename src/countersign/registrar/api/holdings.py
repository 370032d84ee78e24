"""The API's part for gateways: privileged users, keys, traps, questions about offenders."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, Key, change, show
from countersign.registrar.api.caller import bearer_with, office_of, server_of
from countersign.registrar.api.problems import answers
from countersign.registrar.api.public import Cursor, Limit
from countersign.registrar.api.server_shapes import Wanted
from countersign.registrar.api.servers import ERRORS, ServerKey
from countersign.registrar.api.shapes import Shape
from countersign.registrar.documents.text import Kind, current
from countersign.registrar.operations import holdings, offender_queries, server_keys, traps
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.offenders import GivenNumber
from countersign.registrar.operations.office import Work
from countersign.registrar.operations.server_keys import KeyPurpose
from countersign.registrar.particulars.numbers import NumberKind
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope
from countersign.rules.screening import Level

router = APIRouter(tags=["Gateways"])

_Reader = Annotated[Bearer, Depends(bearer_with(Scope.READ_HOLDINGS))]
_Writer = Annotated[Bearer, Depends(bearer_with(Scope.WRITE_HOLDINGS))]
_Asker = Annotated[Bearer, Depends(bearer_with(Scope.QUERY_OFFENDERS))]
RowKey = Annotated[int, Path(ge=1, lt=2**53)]
_CHANGED = {**ERRORS, **answers(409)}


class NewUser(Wanted):
    """A user who may send to more recipients than others."""

    identifier: str = Field(min_length=1, max_length=255)
    """Your own name for the user: a number is better than an address."""
    accepted_on: datetime.date
    """When the user accepted the agreement for privileged users."""
    agreement_version: str = Field(default="", max_length=32)
    """Empty: the present version."""


class UserView(Shape):
    """A privileged user."""

    id: int
    identifier: str
    agreement_version: str
    accepted_on: datetime.date
    registered_at: datetime.datetime
    revoked_at: datetime.datetime | None


class Users(Shape):
    """A page of privileged users, the newest first."""

    items: list[UserView]
    next: str | None


class NewKey(Wanted):
    """A public key of the server."""

    purpose: KeyPurpose
    content: str = Field(min_length=1, max_length=20_000)
    """DKIM key record (RFC 6376 §3.6.1), or TLSA form '3 1 1 HEX'."""
    selector: str = Field(default="", max_length=63)
    """Of a DKIM key."""


class KeyView(Shape):
    """A public key of the server."""

    id: int
    purpose: KeyPurpose
    selector: str
    content: str
    registered_at: datetime.datetime
    revoked_at: datetime.datetime | None


class Keys(Shape):
    """Keys in use."""

    items: list[KeyView]


class TrapView(Shape):
    """A mailbox that the server keeps for the registrar."""

    id: int
    local_part: str
    allocated_at: datetime.datetime


class Traps(Shape):
    """Traps in use: the gateway accepts mail for them always."""

    items: list[TrapView]


class Number(Wanted):
    """An identity number as it is on the papers."""

    kind: NumberKind
    country: str = Field(min_length=2, max_length=6)
    """ISO 3166-1, or as AU-QLD where a state issued the document."""
    number: str = Field(min_length=1, max_length=64)


class OffenderQuestion(Wanted):
    """About whom: a number, or both name and birth date."""

    purpose: str = Field(min_length=1, max_length=255)
    """Why it is asked; kept."""
    name: str = Field(default="", max_length=255)
    birth_date: datetime.date | None = None
    numbers: list[Number] = Field(default=[], max_length=5)


class OffenderAnswer(Shape):
    """What the asker learns."""

    level: Level | None
    """Null: no such offender is known."""
    month: datetime.date | None
    """First day of the month of the last offence."""
    questions_left: int
    """In these 24 hours."""


@router.get("/servers/{server}/privileged-users", response_model=Users, responses=ERRORS)
@declare(token(Scope.READ_HOLDINGS))
def list_users(
    request: Request,
    server: ServerKey,
    *,
    bearer: _Reader,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List the privileged users of a server."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_HOLDINGS)
        page = holdings.users_of(work, found, cursor=cursor, limit=limit)
    return show(Users(items=[UserView.model_validate(row) for row in page.rows], next=page.next))


@router.post(
    "/servers/{server}/privileged-users",
    response_model=UserView,
    status_code=201,
    responses=_CHANGED,
)
@declare(token(Scope.WRITE_HOLDINGS))
def register_user(
    request: Request, server: ServerKey, wanted: NewUser, *, bearer: _Writer, key: Key = None
) -> Response:
    """Register a privileged user."""

    def register(work: Work) -> UserView:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        user = holdings.register_user(
            work,
            actor,
            found,
            identifier=wanted.identifier,
            agreement_version=wanted.agreement_version or current(Kind.PRIVILEGED_USER_AGREEMENT),
            accepted_on=wanted.accepted_on,
        )
        return UserView.model_validate(user)

    return change(request, bearer, key, _octets(wanted), register, status=201)


@router.delete("/servers/{server}/privileged-users/{user}", status_code=204, responses=_CHANGED)
@declare(token(Scope.WRITE_HOLDINGS))
def revoke_user(
    request: Request, server: ServerKey, user: RowKey, *, bearer: _Writer, key: Key = None
) -> Response:
    """End a user's privilege."""

    def revoke(work: Work) -> None:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        holdings.revoke_user(work, actor, found, user)

    return change(request, bearer, key, b"", revoke)


@router.get("/servers/{server}/keys", response_model=Keys, responses=ERRORS)
@declare(token(Scope.READ_HOLDINGS))
def list_keys(request: Request, server: ServerKey, *, bearer: _Reader) -> Response:
    """List the keys of a server that are in use."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_HOLDINGS)
        rows = server_keys.keys_of(work, found)
    return show(Keys(items=[KeyView.model_validate(row) for row in rows]))


@router.post("/servers/{server}/keys", response_model=KeyView, status_code=201, responses=_CHANGED)
@declare(token(Scope.WRITE_HOLDINGS))
def register_key(
    request: Request, server: ServerKey, wanted: NewKey, *, bearer: _Writer, key: Key = None
) -> Response:
    """Register a key; it is published at once."""

    def register(work: Work) -> KeyView:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        row = server_keys.register_key(
            work, actor, found, wanted.purpose, content=wanted.content, selector=wanted.selector
        )
        return KeyView.model_validate(row)

    return change(request, bearer, key, _octets(wanted), register, status=201)


@router.delete("/servers/{server}/keys/{row}", status_code=204, responses=_CHANGED)
@declare(token(Scope.WRITE_HOLDINGS))
def revoke_key(
    request: Request, server: ServerKey, row: RowKey, *, bearer: _Writer, key: Key = None
) -> Response:
    """Revoke a key; this is published at once."""

    def revoke(work: Work) -> None:
        found, actor = server_of(work, bearer, server, Permission.MANAGE_HOLDINGS)
        server_keys.revoke_key(work, actor, found, row)

    return change(request, bearer, key, b"", revoke)


@router.get("/servers/{server}/traps", response_model=Traps, responses={**ERRORS, **answers(304)})
@declare(token(Scope.READ_HOLDINGS))
def list_traps(
    request: Request, server: ServerKey, *, bearer: _Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """List the traps that the gateway must accept mail for."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_HOLDINGS)
        rows = traps.traps_of(work, found)
    return show(Traps(items=[TrapView.model_validate(row) for row in rows]), if_none_match)


@router.post(
    "/servers/{server}/offender-queries", response_model=OffenderAnswer, responses=_CHANGED
)
@declare(token(Scope.QUERY_OFFENDERS))
def ask_about_offender(
    request: Request,
    server: ServerKey,
    wanted: OffenderQuestion,
    *,
    bearer: _Asker,
    key: Key = None,
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
        left = offender_queries.queries_left(work, bearer.account_id)
        return OffenderAnswer(level=answer.level, month=answer.month, questions_left=left)

    return change(request, bearer, key, _octets(wanted), ask)


def _octets(model: BaseModel) -> bytes:
    return model.model_dump_json().encode()
