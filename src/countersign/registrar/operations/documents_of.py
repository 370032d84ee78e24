"""Scans of an application: attached, removed, and opened by screeners, each look recorded."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select

from countersign.registrar.operations.access import refuse_own_cause, require
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.dossier import load
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    Actor,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.transitions import add_event
from countersign.registrar.particulars.documents import LABELS, DocumentKind, documents_wanted
from countersign.registrar.uploads.checking import check_upload
from countersign.registrar.uploads.upload import Limits, Upload, UploadError
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State
from countersign.rules.roles import Role
from countersign.storage.database.servers import Document, DocumentContent, Server

DOMAIN_AGE = "domain-age"
"""A scan that proves since when a domain is registered, where the registry does not tell."""
DOMAIN = "domain"
"""Its subject."""
SCANS_OF_KIND = 4
"""Scans of one kind of one person or company: front, back, and what came out badly."""
SCANS_OF_SERVER = 30
"""Full-sized scans that one application may hold; so many times `upload_size` in octets."""
SCANS_IN_DRAFTS = 100
"""The same for all drafts of an account together."""
_WORDS = {str(kind): label for kind, label in LABELS.items()} | {DOMAIN_AGE: "Age of the domain"}


@dataclass(frozen=True, slots=True, repr=False)
class OpenedDocument:
    """A scan, opened for a screener."""

    kind: str
    content_type: str
    content: bytes


def label_of(kind: str) -> str:
    """Return what a kind of document is called."""
    return _WORDS.get(kind, kind)


def receive(office: Office, data: bytes) -> Upload:
    """Check and clean an uploaded file, outside any transaction: it takes seconds.

    Raises :class:`OperationError` whose text says what to do.
    """
    try:
        return check_upload(data, Limits(size=office.config.security.upload_size))
    except UploadError as error:
        raise OperationError(str(error)) from None


def documents_of(work: Work, server: Server, *, removed: bool = False) -> list[Document]:
    """Return what is known of an application's scans, the oldest first; never their content."""
    statement = select(Document).where(Document.server_id == server.id).order_by(Document.id)
    if not removed:
        statement = statement.where(Document.removed_at.is_(None))
    return list(work.session.scalars(statement))


def attach(
    work: Work, actor: Actor, server: Server, *, kind: str, subject: str, upload: Upload
) -> Document:
    """Seal a checked scan and add it to an application.

    Raises :class:`OperationError`: not asked for, too many, or the application has ended.
    """
    is_screener = actor.role is Role.SCREENER
    require(actor, Permission.SCREEN if is_screener else Permission.EDIT_APPLICATION)
    hold(work, server)
    if server.state in ENDED:
        raise OperationError("This application has ended.")
    if server.state is State.SUBMITTED and not is_screener:
        raise OperationError("The application is being checked and cannot be changed now.")
    _check_wanted(work, actor, server, kind, subject)
    _check_room(work, actor, server, (kind, subject), upload)
    document = Document(
        server_id=server.id,
        kind=kind,
        subject=subject,
        content_type=upload.content_type,
        size=len(upload.content),
        sha256=upload.sha256,
        pages=upload.pages,
        uploaded_by=account_of(actor),
        uploaded_at=work.now,
    )
    work.session.add(document)
    work.session.flush()
    sealed = work.keyring.seal(upload.content, _context(document.id))
    work.session.add(DocumentContent(document_id=document.id, sealed=sealed))
    details = {"document": document.id, "kind": kind}
    add_event(work, server, Deed.DOCUMENT_ATTACHED, actor, details=details)
    return document


def remove(work: Work, actor: Actor, server: Server, document_id: int) -> None:
    """Remove a scan from a draft: its content is deleted, that there was one stays on record."""
    require(actor, Permission.EDIT_APPLICATION)
    document = _find(work, document_id)
    if document.server_id != server.id:
        raise NotFoundError("There is no such document.")
    hold(work, server)
    if server.state is not State.DRAFT:
        raise OperationError("Papers that were handed in stay with the application.")
    _remove(work, document)
    details = {"document": document.id, "kind": document.kind}
    add_event(work, server, Deed.DOCUMENT_REMOVED, actor, details=details)


def remove_all(work: Work, server: Server) -> None:
    """Remove all scans of an application that nobody has looked at."""
    for document in documents_of(work, server):
        _remove(work, document)
    work.session.flush()


def open_document(work: Work, actor: Actor, document_id: int, reason: str = "") -> OpenedDocument:
    """Return a scan's content to a screener; the look goes to the access log first.

    reason: needed once the screening has ended. Raises :class:`OperationError`.
    """
    require(actor, Permission.SEE_DOCUMENTS)
    document = _find(work, document_id)
    server = work.session.get_one(Server, document.server_id)
    refuse_own_cause(actor, server)
    if server.state is State.DRAFT:
        raise ForbiddenError("The application has not been handed in.")
    if server.state not in (State.SUBMITTED, State.SCREENED) and not reason.strip():
        raise OperationError("The screening has ended: say why you need to see this document.")
    work.record(
        actor,
        "document seen",
        f"document:{document.id}",
        server_id=server.id,
        kind=document.kind,
        reason=reason[:255],
    )
    work.session.flush()
    row = work.session.get_one(DocumentContent, document.id)
    content = work.keyring.open(row.sealed, _context(document.id))
    return OpenedDocument(document.kind, document.content_type, content)


def _find(work: Work, document_id: int) -> Document:
    document = work.session.get(Document, document_id)
    if document is None or document.removed_at is not None:
        raise NotFoundError("There is no such document.")
    return document


def _remove(work: Work, document: Document) -> None:
    document.removed_at = work.now
    work.session.execute(delete(DocumentContent).where(DocumentContent.document_id == document.id))


def _check_wanted(work: Work, actor: Actor, server: Server, kind: str, subject: str) -> None:
    if (kind, subject) == (DOMAIN_AGE, DOMAIN):
        return
    if actor.role is Role.SCREENER:
        raise ForbiddenError("Screeners add evidence of a domain's age only.")
    wanted = documents_wanted(load(work, server.id))
    if not any(wish.is_met_by(subject, DocumentKind(kind)) for wish in wanted if _is_kind(kind)):
        raise OperationError("This document is not asked for: fill in the other steps first.")


def _is_kind(kind: str) -> bool:
    return kind in {str(one) for one in DocumentKind}


def _check_room(
    work: Work, actor: Actor, server: Server, what: tuple[str, str], upload: Upload
) -> None:
    present = documents_of(work, server)
    same = [one for one in present if (one.kind, one.subject) == what]
    if len(same) >= SCANS_OF_KIND:
        raise OperationError("There are enough scans of this document: remove one first.")
    if any(one.sha256 == upload.sha256 for one in same):
        raise OperationError("This scan has been uploaded already.")
    largest = work.config.security.upload_size
    in_drafts = work.session.scalar(
        select(func.coalesce(func.sum(Document.size), 0))
        .join(Server, Server.id == Document.server_id)
        .where(
            or_(Server.owner_id == account_of(actor), Server.agent_id == account_of(actor)),
            Server.state == State.DRAFT,
            Document.removed_at.is_(None),
        )
    )
    size = len(upload.content)
    if (
        sum(one.size for one in present) + size > SCANS_OF_SERVER * largest
        or int(in_drafts or 0) + size > SCANS_IN_DRAFTS * largest
    ):
        raise OperationError("There is no more room: scan the papers at a lower resolution.")


def _context(document_id: int) -> bytes:
    return f"document:{document_id}".encode()
