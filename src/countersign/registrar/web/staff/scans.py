"""Scans of an application, opened one at a time, and evidence of a domain's age."""

from __future__ import annotations

import datetime

from starlette.responses import Response

from countersign.registrar.operations import documents_of, domain_ages, test_results
from countersign.registrar.operations.office import NotFoundError, OperationError, Work
from countersign.registrar.uploads.upload import JPEG, PDF, PNG, safe_file_name
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.servers import Document, Server

pages = Pages()

_FILE = "/staff/screening/{server:key}"
_PICTURE_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    "sandbox"
)
"""A picture is all that is shown; nothing in it can act, whatever a browser takes it for."""
_PDF_POLICY = (
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
)
"""The same without a sandbox: Chromium shows no PDF in one. The PDF itself was written anew from
its pages alone when it was uploaded."""
_INLINE = {JPEG: _PICTURE_POLICY, PNG: _PICTURE_POLICY, PDF: _PDF_POLICY}


@pages.post(_FILE + "/documents/{document:key}", allow=server_access(Permission.SEE_DOCUMENTS))
def open_scan(visit: Visit, server: int, document: int) -> Response:
    """Show a scan, or give it to be saved; the look is recorded first.

    By POST: so no address shows somebody's papers, and no browser fetches them by itself.
    """
    with visit.work() as work:
        found = work.session.get(Document, document)
        if found is None or found.server_id != server:
            raise NotFoundError("There is no such document.")
        actor = visit.actor(Permission.SEE_DOCUMENTS)
        opened = documents_of.open_document(work, actor, document, visit.form.text("reason", 255))
    name = safe_file_name(f"{found.kind}-{found.subject}-{found.id}", opened.content_type)
    if visit.form.text("as", 10) == "file" or opened.content_type not in _INLINE:
        return visit.download(opened.content, name, "application/octet-stream")
    headers = {
        "Content-Security-Policy": _INLINE[opened.content_type],
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(opened.content, 200, headers, opened.content_type)


@pages.post(_FILE + "/domain-age", allow=server_access(Permission.SCREEN), uploads=1)
def enter_age(visit: Visit, server: int) -> Response:
    """Enter since when the domain is registered, from a paper that shows it."""
    form = visit.form
    day = _day(form.text("registered_on", 10))
    file = form.upload("file")
    upload = documents_of.receive(visit.office, file.content) if file is not None else None
    with visit.work() as work:
        actor, row = visit.actor(Permission.SCREEN), _find(work, server)
        document_id = form.integer("document", low=1)
        if upload is not None:
            document = documents_of.attach(
                work,
                actor,
                row,
                kind=documents_of.DOMAIN_AGE,
                subject=documents_of.DOMAIN,
                upload=upload,
            )
            document_id = document.id
        if not document_id:
            raise OperationError(
                "Upload the paper that shows the date, or choose one of those here."
            )
        domain_ages.record_manual(
            work,
            actor,
            row,
            registered_on=day,
            document_id=document_id,
            note=form.text("note", 255),
        )
    visit.flash("The age of the domain has been entered.")
    return visit.redirect(f"/staff/screening/{server}#domain-age")


@pages.post(_FILE + "/test", allow=server_access(Permission.SCREEN))
def ask_test(visit: Visit, server: int) -> Response:
    """Order a relay test."""
    with visit.work() as work:
        test_results.ask_test(work, visit.actor(Permission.ASK_TEST), _find(work, server))
    visit.flash("A relay test has been ordered.")
    return visit.redirect(f"/staff/screening/{server}#tests")


def _find(work: Work, server: int) -> Server:
    return work.session.get_one(Server, server)


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise OperationError("Enter the day on which the domain was registered.") from None
