"""The API's part for the scans of an application: attached, listed, removed; never shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import Caller, office_of, server_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.idempotency import Key, answered, change
from countersign.registrar.api.problems import ProblemError, answers
from countersign.registrar.api.server_shapes import Documents, DocumentView
from countersign.registrar.api.shapes import Key53, Line
from countersign.registrar.operations import documents_of
from countersign.registrar.operations.office import Work
from countersign.registrar.particulars.documents import DocumentKind
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope

router = APIRouter(tags=["Applications"], route_class=GuardedRoute)
"""Its requests may be as large as a scan."""
_TYPES = ("application/pdf", "image/jpeg", "image/png", "application/octet-stream")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself. What it is, is told by its content.",
        "content": {one: {"schema": {"type": "string", "format": "binary"}} for one in _TYPES},
    }
}


@router.get("/servers/{server}/documents", response_model=Documents, responses=answers(304, 404))
@declare(token(Scope.READ_SERVERS))
def list_documents(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """List the scans of an application; their content is for screening staff only."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        rows = documents_of.documents_of(work, found)
    items = [DocumentView.model_validate(row) for row in rows]
    return show(Documents(items=items), if_none_match)


@router.post(
    "/servers/{server}/documents",
    response_model=DocumentView,
    status_code=201,
    responses=answers(404, 409, 422),
    openapi_extra=_BODY,
)
@declare(token(Scope.WRITE_SERVERS))
def attach_document(
    request: Request,
    server: Key53,
    kind: Annotated[DocumentKind | Literal["domain-age"], Query(description="What it is of.")],
    subject: Annotated[
        Line,
        Query(description="Whose it is: 'owner', 'company', 'admin-contact', 'director-…'."),
    ],
    *,
    bearer: Caller,
    key: Key = None,
) -> Response:
    """Upload a scan (PDF, JPEG, PNG) as the body; it is kept encrypted."""
    if not request.state.body:
        raise ProblemError(400, "Send the file as the body of the request.")
    if (before := answered(request, bearer, key)) is not None:
        return before
    office = office_of(request)
    with office.reading() as work:
        server_of(work, bearer, server, Permission.EDIT_APPLICATION)
    upload = documents_of.receive(office, request.state.body)

    def attach(work: Work) -> DocumentView:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        document = documents_of.attach(
            work, actor, found, kind=str(kind), subject=subject, upload=upload
        )
        return DocumentView.model_validate(document)

    return change(request, bearer, key, attach, status=201)


@router.delete(
    "/servers/{server}/documents/{document}", status_code=204, responses=answers(404, 409, 422)
)
@declare(token(Scope.WRITE_SERVERS))
def remove_document(
    request: Request, server: Key53, document: Key53, *, bearer: Caller, key: Key = None
) -> Response:
    """Remove a scan from a draft: its content is deleted."""

    def remove(work: Work) -> None:
        found, actor = server_of(work, bearer, server, Permission.EDIT_APPLICATION)
        documents_of.remove(work, actor, found, document)

    return change(request, bearer, key, remove)
