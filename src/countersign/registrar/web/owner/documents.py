"""Scans of an application: which are wanted, which are there; uploaded one at a time."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from countersign.registrar.operations import documents_of, dossier, screenings
from countersign.registrar.operations.office import (
    ConflictError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.particulars.documents import documents_wanted
from countersign.registrar.particulars.steps import Step
from countersign.registrar.uploads.upload import ACCEPTED
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.owner.progress import stages
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State
from countersign.storage.database.servers import Document

pages = Pages()

_EDIT = Permission.EDIT_APPLICATION


@dataclass(frozen=True, slots=True)
class Wish:
    """A scan that is wanted, with what is there of it."""

    number: int
    subject: str
    kinds: tuple[str, ...]
    label: str
    present: list[tuple[Document, str]]
    """Each with the name of its kind."""
    is_needed: bool = True
    """Nothing can be handed in without it."""

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The kinds of document that will do."""
        return [(kind, documents_of.label_of(kind)) for kind in self.kinds]


@pages.get("/servers/{server:key}/application/documents", allow=server_access(_EDIT))
def show_documents(visit: Visit, server: int) -> Response:
    """Show which scans are wanted and which are there."""
    return _page(visit, server, {})


@pages.post("/servers/{server:key}/application/documents", allow=server_access(_EDIT), uploads=1)
def upload(visit: Visit, server: int) -> Response:
    """Take one scan in."""
    number = visit.form.integer("wish", -1, low=-1)
    try:
        scan = documents_of.receive(visit.office, _file(visit))
        with visit.work() as work:
            row = frame.find(work, server)
            documents_of.attach(
                work,
                visit.actor(_EDIT),
                row,
                kind=visit.form.text("kind", 64),
                subject=visit.form.text("subject", 64),
                upload=scan,
            )
    except (NotFoundError, ConflictError):
        raise
    except OperationError as error:
        return _page(visit, server, {f"file-{number}": str(error)}, code=422)
    visit.flash("The scan has been checked and is kept encrypted.")
    return visit.redirect(f"/servers/{server}/application/documents#wish-{number}")


def _file(visit: Visit) -> bytes:
    file = visit.form.upload("file")
    if file is None:
        raise OperationError("Choose a file first.")
    return file.content


@pages.post("/servers/{server:key}/documents/{document:key}/remove", allow=server_access(_EDIT))
def remove(visit: Visit, server: int, document: int) -> Response:
    """Remove a scan from a draft."""
    with visit.work() as work:
        row = frame.find(work, server)
        documents_of.remove(work, visit.actor(_EDIT), row, document)
    visit.flash("The scan has been removed.")
    return visit.redirect(f"/servers/{server}/application/documents")


def _page(visit: Visit, server: int, errors: dict[str, str], code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        particulars = dossier.load(work, row.id)
        is_draft = row.state is State.DRAFT
        lacking = dossier.what_is_missing(work, row) if is_draft else []
        age = screenings.latest_age(work, row)
        is_age_unknown = age is not None and row.domain_registered_on is None
        present = [
            (one, documents_of.label_of(one.kind)) for one in documents_of.documents_of(work, row)
        ]
    wishes = [
        Wish(
            number,
            wish.subject,
            tuple(str(kind) for kind in wish.kinds),
            wish.label,
            [one for one in present if wish.is_met_by(one[0].subject, one[0].kind)],
        )
        for number, wish in enumerate(documents_wanted(particulars))
    ]
    if is_age_unknown:
        wishes.append(_wish_for_age(len(wishes), present))
    known = {one.id for wish in wishes for one, _ in wish.present}
    return frame.show(
        visit,
        "owner/documents.html",
        row,
        "/application",
        code=code,
        stages=stages(f"/servers/{row.id}", particulars, Step.DOCUMENTS, lacking),
        wishes=wishes,
        others=[one for one in present if one[0].id not in known],
        errors=errors,
        is_draft=is_draft,
        may_add=row.state not in ENDED and row.state is not State.SUBMITTED,
        accepted=",".join(ACCEPTED),
        largest=visit.office.config.security.upload_size,
        unfinished=[one for one in lacking if one.step is not Step.DOCUMENTS],
    )


def _wish_for_age(number: int, present: list[tuple[Document, str]]) -> Wish:
    """Return what is offered where the registry does not tell the age of the domain."""
    kind, subject = documents_of.DOMAIN_AGE, documents_of.DOMAIN
    there = [one for one in present if (one[0].kind, one[0].subject) == (kind, subject)]
    label = "Paper that shows since when the domain is registered"
    return Wish(number, subject, (kind,), label, there, is_needed=False)
