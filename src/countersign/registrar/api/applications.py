"""The API's part for applications: begin, fill in step by step, hand in, withdraw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from countersign.registrar.api.answering import (
    IfMatch,
    IfNoneMatch,
    check_match,
    octets_of,
    show,
    tag_of,
)
from countersign.registrar.api.caller import Caller, office_of, server_of
from countersign.registrar.api.guarding import PREFIX, GuardedRoute
from countersign.registrar.api.idempotency import Key, answered, change
from countersign.registrar.api.problems import Fault, ProblemError, answers
from countersign.registrar.api.server_shapes import (
    Contact,
    MissingView,
    NewServer,
    Progress,
    Reasoned,
    ServerView,
    StepView,
)
from countersign.registrar.api.shapes import Key53
from countersign.registrar.dns_presence import has_address
from countersign.registrar.operations import applications, contacts, dossier
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.particulars.draft import form_values
from countersign.registrar.particulars.steps import Step, all_steps
from countersign.registrar.web.access import declare, token
from countersign.registry.dns_client import ResolutionFailedError
from countersign.rules.access import Permission, Scope
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.servers import Server

router = APIRouter(tags=["Applications"], route_class=GuardedRoute)

_FORMS = {step for step, spec in all_steps().items() if spec.model is not None}
StepName = Annotated[Step, Path(description="A step of the application that has fields.")]
_CHANGED = answers(404, 409, 422)


@router.post(
    "/servers", response_model=ServerView, status_code=201, responses=answers(404, 409, 422)
)
@declare(token(Scope.WRITE_SERVERS))
def begin(request: Request, wanted: NewServer, *, bearer: Caller, key: Key = None) -> Response:
    """Begin an application: for yourself, or with `owner_email` for somebody as an agent."""
    if bearer.server_id is not None:
        raise ForbiddenError("This token is good for one server only.")
    role = Role.AGENT if wanted.owner_email else Role.OWNER
    if role not in bearer.roles:
        raise ForbiddenError("Only accredited agents apply for others.")

    def create(work: Work) -> ServerView:
        server = applications.begin(
            work,
            Actor(role, bearer.account_id),
            wanted.hostname,
            wanted.kind,
            owner_email=wanted.owner_email,
            owner_name=wanted.owner_name,
        )
        return ServerView.of(server)

    def location(made: BaseModel) -> Mapping[str, str]:
        assert isinstance(made, ServerView)
        return {"Location": f"{request.scope.get('root_path', '')}{PREFIX}/servers/{made.id}"}

    return change(request, bearer, key, create, status=201, headers=location)


@router.get("/servers/{server}/missing", response_model=Progress, responses=answers(304, 404))
@declare(token(Scope.READ_SERVERS))
def get_missing(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """Get what keeps an application from being handed in."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        missing = dossier.what_is_missing(work, found)
        unconfirmed = dossier.unconfirmed_contacts(work, found)
    items = [MissingView(step=str(one.step), field=one.field, text=one.text) for one in missing]
    waiting = [Contact(one) for one in unconfirmed]
    return show(Progress(missing=items, unconfirmed=waiting), if_none_match)


@router.get("/servers/{server}/steps/{step}", response_model=StepView, responses=answers(304, 404))
@declare(token(Scope.WRITE_SERVERS))
def get_step(
    request: Request,
    server: Key53,
    step: StepName,
    *,
    bearer: Caller,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Get what is saved of a step, and the schema of what may be sent."""
    _check_step(step)
    with office_of(request).reading() as work:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        view = _step_view(work, actor, found, step)
    return show(view, if_none_match)


@router.put(
    "/servers/{server}/steps/{step}",
    response_model=StepView,
    responses=answers(404, 409, 412, 422),
)
@declare(token(Scope.WRITE_SERVERS))
def put_step(
    request: Request,
    server: Key53,
    step: StepName,
    values: Annotated[dict[str, Any], Body(description="As the step's schema says.")],
    *,
    bearer: Caller,
    key: Key = None,
    if_match: IfMatch = None,
) -> Response:
    """Save a step; nothing is saved if a field is wrong."""
    _check_step(step)

    def save(work: Work) -> StepView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        check_match(_step_view(work, actor, found, step), if_match)
        result = applications.save_step(work, actor, found, step, values, is_form=False)
        if not result.ok:
            faults = [Fault(field=name, reason=text) for name, text in result.errors.items()]
            raise ProblemError(422, "Some fields are wrong.", faults=faults)
        return _step_view(work, actor, found, step)

    return change(
        request, bearer, key, save, headers=lambda view: {"ETag": tag_of(octets_of(view))}
    )


def _check_step(step: Step) -> None:
    if step not in _FORMS:
        raise NotFoundError("This step has no fields.")


def _step_view(work: Work, actor: Actor, server: Server, step: Step) -> StepView:
    values = form_values(dossier.open_particulars(work, actor, server), step)
    return StepView(step=str(step), values=values, schema=all_steps()[step].schema())


@router.post("/servers/{server}/contacts/{contact}/letters", status_code=204, responses=_CHANGED)
@declare(token(Scope.WRITE_SERVERS))
def write_again(
    request: Request, server: Key53, contact: Contact, *, bearer: Caller, key: Key = None
) -> Response:
    """Write once more to a contact who has not confirmed the e-mail address."""

    def write(work: Work) -> None:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        contacts.ask_again(work, actor, found, str(contact))

    return change(request, bearer, key, write)


@router.post(
    "/servers/{server}/submission",
    response_model=ServerView,
    responses=answers(404, 409, 422, 503),
)
@declare(token(Scope.WRITE_SERVERS))
def submit(request: Request, server: Key53, *, bearer: Caller, key: Key = None) -> Response:
    """Hand an application in. The host must have an address in the DNS."""
    if (before := answered(request, bearer, key)) is not None:
        return before
    seen = _draft(request, bearer, server)
    try:
        is_in_dns = has_address(seen.hostname, office_of(request).config.certification)
    except ResolutionFailedError:
        raise ProblemError(503, "The DNS does not answer for the host name: try later.") from None

    def hand_in(work: Work) -> ServerView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        if found.hostname != seen.hostname:
            raise ConflictError("The host name has been changed in the meantime.")
        found.in_dns_at = work.now if is_in_dns else None
        applications.hand_in(work, actor, found)
        return ServerView.of(found)

    return change(request, bearer, key, hand_in)


def _draft(request: Request, bearer: Bearer, server: int) -> Server:
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
    if found.state is not State.DRAFT:
        raise OperationError("The application has been submitted already.")
    return found


@router.post("/servers/{server}/withdrawal", response_model=ServerView, responses=_CHANGED)
@declare(token(Scope.WRITE_SERVERS))
def withdraw(
    request: Request, server: Key53, wanted: Reasoned, *, bearer: Caller, key: Key = None
) -> Response:
    """Withdraw an application or registration; a bond in good standing is given back.

    Nothing is done where it is withdrawn already.
    """

    def leave(work: Work) -> ServerView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        if found.state is not State.WITHDRAWN:
            applications.withdraw(work, actor, found, reason=wanted.reason)
        return ServerView.of(found)

    return change(request, bearer, key, leave)
