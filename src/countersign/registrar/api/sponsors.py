"""The API's part for sponsors: whom a server asks, and what their owners answer."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import Caller, office_of, server_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.idempotency import Key, change
from countersign.registrar.api.problems import answers
from countersign.registrar.api.shapes import Key53
from countersign.registrar.api.sponsor_shapes import (
    Asked,
    NewSponsor,
    Seen,
    Sponsors,
    SponsorView,
    Undertakings,
    UndertakingText,
    UndertakingView,
)
from countersign.registrar.operations import sponsor_views, sponsorships
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.office import Actor, NotFoundError, Work
from countersign.registrar.operations.trust import Vouching
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope
from countersign.rules.roles import Role
from countersign.storage.database.promises import Sponsorship
from countersign.storage.database.servers import Server

router = APIRouter(tags=["Sponsors"], route_class=GuardedRoute)
_CHANGED = answers(404, 409, 422)


@router.get("/servers/{server}/sponsors", response_model=Sponsors, responses=answers(304, 404))
@declare(token(Scope.READ_SERVERS))
def list_sponsors(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """List the sponsors that were ever asked to vouch for a server."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_SERVER)
        items = [SponsorView.of(one) for one in sponsor_views.sponsors_of(work, found)]
    return show(Sponsors(items=items), if_none_match)


@router.post(
    "/servers/{server}/sponsors", response_model=SponsorView, status_code=201, responses=_CHANGED
)
@declare(token(Scope.WRITE_SERVERS))
def ask_sponsor(
    request: Request, server: Key53, wanted: NewSponsor, *, bearer: Caller, key: Key = None
) -> Response:
    """Ask the owner of a trusted server to vouch for yours."""

    def ask(work: Work) -> SponsorView:
        found, actor = server_of(work, bearer, server, Permission.ASK_SPONSORS)
        made = sponsorships.ask(work, actor, found, wanted.hostname)
        work.session.flush()
        return SponsorView.of(Vouching(made, work.session.get_one(Server, made.sponsor_id)))

    return change(request, bearer, key, ask, status=201)


@router.delete("/servers/{server}/sponsors/{sponsorship}", status_code=204, responses=_CHANGED)
@declare(token(Scope.WRITE_SERVERS))
def withdraw_question(
    request: Request, server: Key53, sponsorship: Key53, *, bearer: Caller, key: Key = None
) -> Response:
    """Take back a question to a sponsor that is not answered yet."""

    def take_back(work: Work) -> None:
        found, actor = server_of(work, bearer, server, Permission.ASK_SPONSORS)
        row = work.session.get(Sponsorship, sponsorship)
        if row is None or row.server_id != found.id:
            raise NotFoundError("There is no such sponsorship.")
        sponsorships.withdraw_request(work, actor, row)

    return change(request, bearer, key, take_back)


@router.get("/sponsorships", response_model=Undertakings, responses=answers(304))
@declare(token(Scope.ANSWER_SPONSORS))
def list_undertakings(
    request: Request, *, bearer: Caller, asked: Asked = True, if_none_match: IfNoneMatch = None
) -> Response:
    """List the questions that wait for your answer; with `asked=false` what you vouch for."""
    find = sponsor_views.requests_to if asked else sponsor_views.undertakings_of
    with office_of(request).reading() as work:
        items = [
            UndertakingView.of(one.sponsorship, one.sponsor.hostname, one.server.hostname)
            for one in find(work, bearer.account_id)
            if bearer.server_id in (None, one.sponsor.id)
        ]
    return show(Undertakings(items=items), if_none_match)


@router.get(
    "/sponsorships/{sponsorship}", response_model=UndertakingText, responses=answers(304, 404)
)
@declare(token(Scope.ANSWER_SPONSORS))
def get_undertaking(
    request: Request, sponsorship: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """Get the text that you accept if you vouch: it says what you risk."""
    with office_of(request).reading() as work:
        _, row = _mine(work, bearer, sponsorship)
        text = sponsorships.undertaking(work, row)
    view = UndertakingText(version=text.text.version, sha256=text.sha256, markdown=text.markdown)
    return show(view, if_none_match)


@router.post(
    "/sponsorships/{sponsorship}/acceptance", response_model=UndertakingView, responses=_CHANGED
)
@declare(token(Scope.ANSWER_SPONSORS))
def accept(
    request: Request, sponsorship: Key53, wanted: Seen, *, bearer: Caller, key: Key = None
) -> Response:
    """Vouch for a server, on the terms of the text that you have read."""

    def vouch(work: Work, actor: Actor, row: Sponsorship) -> None:
        sponsorships.accept(work, actor, row, wanted.version, wanted.sha256)

    return _answer(request, bearer, key, sponsorship, vouch)


@router.post(
    "/sponsorships/{sponsorship}/refusal", response_model=UndertakingView, responses=_CHANGED
)
@declare(token(Scope.ANSWER_SPONSORS))
def decline(request: Request, sponsorship: Key53, *, bearer: Caller, key: Key = None) -> Response:
    """Refuse to vouch for a server."""
    return _answer(request, bearer, key, sponsorship, sponsorships.decline)


@router.post(
    "/sponsorships/{sponsorship}/notice", response_model=UndertakingView, responses=_CHANGED
)
@declare(token(Scope.ANSWER_SPONSORS))
def give_notice(
    request: Request, sponsorship: Key53, *, bearer: Caller, key: Key = None
) -> Response:
    """Take an undertaking back: at once before the server is active, later with notice."""
    return _answer(request, bearer, key, sponsorship, sponsorships.give_notice)


def _answer(
    request: Request,
    bearer: Bearer,
    key: str | None,
    sponsorship: int,
    give: Callable[[Work, Actor, Sponsorship], None],
) -> Response:
    def answer(work: Work) -> UndertakingView:
        actor, row = _mine(work, bearer, sponsorship)
        give(work, actor, row)
        work.session.flush()
        names = [
            work.session.get_one(Server, one).hostname for one in (row.sponsor_id, row.server_id)
        ]
        return UndertakingView.of(row, *names)

    return change(request, bearer, key, answer)


def _mine(work: Work, bearer: Bearer, sponsorship: int) -> tuple[Actor, Sponsorship]:
    actor = Actor(Role.OWNER, bearer.account_id)
    row, _ = sponsorships.for_sponsor(work, actor, sponsorship)
    if bearer.server_id not in (None, row.sponsor_id):
        raise NotFoundError("There is no such sponsorship.")
    return actor, row
