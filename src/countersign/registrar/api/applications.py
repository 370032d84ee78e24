"""The API's part for applications: begin, fill in step by step, hand in, withdraw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from countersign.registrar.api.answering import IfMatch, IfNoneMatch, Key, change, check_match, show
from countersign.registrar.api.caller import office_of, server_of
from countersign.registrar.api.problems import Fault, ProblemError, answers
from countersign.registrar.api.server_shapes import (
    Documents,
    DocumentView,
    MissingView,
    NewServer,
    Progress,
    Reasoned,
    ServerView,
    StepView,
)
from countersign.registrar.api.servers import ERRORS, Reader, ServerKey, Writer
from countersign.registrar.dns_presence import has_address
from countersign.registrar.operations import applications, documents_of, dossier
from countersign.registrar.operations.office import (
    Actor,
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
from countersign.rules.roles import Role
from countersign.storage.database.servers import Server

router = APIRouter(tags=["Applications"])

_FORMS = {step for step, spec in all_steps().items() if spec.model is not None}
StepName = Annotated[Step, Path(description="A step of the application that has fields.")]
_CHANGED = {**ERRORS, **answers(409)}


@router.post(
    "/servers",
    response_model=ServerView,
    status_code=201,
    responses=answers(401, 403, 409, 422),
)
@declare(token(Scope.WRITE_SERVERS))
def begin(request: Request, wanted: NewServer, *, bearer: Writer, key: Key = None) -> Response:
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

    return change(
        request, bearer, key, _octets(wanted), create, status=201, headers=_location(request)
    )


def _location(request: Request) -> Any:
    root = request.scope.get("root_path", "")

    def headers(model: BaseModel) -> Mapping[str, str]:
        assert isinstance(model, ServerView)
        return {"Location": f"{root}/v1/servers/{model.id}"}

    return headers


@router.get("/servers/{server}/missing", response_model=Progress, responses=ERRORS)
@declare(token(Scope.READ_SERVERS))
def get_missing(request: Request, server: ServerKey, *, bearer: Reader) -> Response:
    """Get what keeps an application from being handed in."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        missing = dossier.what_is_missing(work, found)
        unconfirmed = dossier.unconfirmed_contacts(work, found)
    items = [MissingView(step=str(one.step), field=one.field, text=one.text) for one in missing]
    return show(Progress(missing=items, unconfirmed=unconfirmed))


@router.get(
    "/servers/{server}/steps/{step}",
    response_model=StepView,
    responses={**ERRORS, **answers(304)},
)
@declare(token(Scope.WRITE_SERVERS))
def get_step(
    request: Request,
    server: ServerKey,
    step: StepName,
    *,
    bearer: Writer,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Get what is saved of a step, and the schema of what may be sent."""
    _check_step(step)
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        view = _step_view(work, found, step)
    return show(view, if_none_match)


@router.put(
    "/servers/{server}/steps/{step}",
    response_model=StepView,
    responses={**_CHANGED, **answers(412)},
)
@declare(token(Scope.WRITE_SERVERS))
def put_step(
    request: Request,
    server: ServerKey,
    step: StepName,
    values: Annotated[dict[str, Any], Body(description="As the step's schema says.")],
    *,
    bearer: Writer,
    key: Key = None,
    if_match: IfMatch = None,
) -> Response:
    """Save a step; nothing is saved if a field is wrong."""
    _check_step(step)

    def save(work: Work) -> StepView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        check_match(_step_view(work, found, step), if_match)
        result = applications.save_step(work, actor, found, step, values, is_form=False)
        if not result.ok:
            faults = [Fault(field=name, reason=text) for name, text in result.errors.items()]
            raise ProblemError(422, "Some fields are wrong.", faults=faults)
        return _step_view(work, found, step)

    return change(request, bearer, key, json.dumps(values, sort_keys=True).encode(), save)


def _check_step(step: Step) -> None:
    if step not in _FORMS:
        raise NotFoundError("This step has no fields.")


def _step_view(work: Work, server: Server, step: Step) -> StepView:
    values = form_values(dossier.load(work, server.id), step)
    return StepView(step=str(step), values=values, schema=all_steps()[step].schema())


@router.get("/servers/{server}/documents", response_model=Documents, responses=ERRORS)
@declare(token(Scope.READ_SERVERS))
def list_documents(request: Request, server: ServerKey, *, bearer: Reader) -> Response:
    """List the scans of an application; their content is for screening staff only."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        rows = documents_of.documents_of(work, found)
    return show(Documents(items=[DocumentView.model_validate(row) for row in rows]))


@router.post(
    "/servers/{server}/documents",
    response_model=DocumentView,
    status_code=201,
    responses={**_CHANGED, **answers(413)},
)
@declare(token(Scope.WRITE_SERVERS))
def attach_document(
    request: Request,
    server: ServerKey,
    kind: Annotated[str, Query(max_length=32)],
    subject: Annotated[str, Query(max_length=32, description="Whose it is, e.g. 'owner'.")],
    content: Annotated[bytes, Body(media_type="application/octet-stream")],
    *,
    bearer: Writer,
    key: Key = None,
) -> Response:
    """Upload a scan (PDF, JPEG, PNG) as the body; it is kept encrypted."""
    office = office_of(request)
    with office.reading() as work:
        server_of(work, bearer, server, Permission.EDIT_APPLICATION)
    upload = documents_of.receive(office, content)

    def attach(work: Work) -> DocumentView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        document = documents_of.attach(
            work, actor, found, kind=kind, subject=subject, upload=upload
        )
        return DocumentView.model_validate(document)

    return change(request, bearer, key, content, attach, status=201)


@router.post(
    "/servers/{server}/submission",
    response_model=ServerView,
    responses={**_CHANGED, **answers(503)},
)
@declare(token(Scope.WRITE_SERVERS))
def submit(request: Request, server: ServerKey, *, bearer: Writer, key: Key = None) -> Response:
    """Hand an application in. The host must have an address in the DNS."""
    office = office_of(request)
    with office.reading() as work:
        seen, _ = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
    try:
        found_in_dns = has_address(seen.hostname, office.config.certification)
    except ResolutionFailedError:
        raise ProblemError(503, "The DNS does not answer for the host name: try later.") from None

    def hand_in(work: Work) -> ServerView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        if found.hostname != seen.hostname:
            raise OperationError("The host name has been changed in the meantime.")
        found.in_dns_at = work.now if found_in_dns else None
        applications.hand_in(work, actor, found)
        return ServerView.of(found)

    return change(request, bearer, key, b"", hand_in)


@router.post("/servers/{server}/withdrawal", response_model=ServerView, responses=_CHANGED)
@declare(token(Scope.WRITE_SERVERS))
def withdraw(
    request: Request, server: ServerKey, wanted: Reasoned, *, bearer: Writer, key: Key = None
) -> Response:
    """Withdraw an application or registration; a bond in good standing is given back."""

    def leave(work: Work) -> ServerView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        applications.withdraw(work, actor, found, reason=wanted.reason)
        return ServerView.of(found)

    return change(request, bearer, key, _octets(wanted), leave)


def _octets(model: BaseModel) -> bytes:
    return model.model_dump_json().encode()
