"""The contract: read and accepted by the owner alone; and model agreements to download."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.documents.markdown import to_html
from countersign.registrar.documents.text import Kind, current
from countersign.registrar.operations import agreements, contracts
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()

_EDIT, _ACCEPT = Permission.EDIT_APPLICATION, Permission.ACCEPT_CONTRACT
_PDF = "application/pdf"
_MODELS = {
    Kind.USER_AGREEMENT: "Agreement between owner and user",
    Kind.PRIVILEGED_USER_AGREEMENT: "Agreement for privileged users",
}


@pages.get("/servers/{server:key}/contract", allow=server_access(_EDIT))
def show_contract(visit: Visit, server: int) -> Response:
    """Show the contract filled in, and what was accepted before."""
    return _page(visit, server, "")


@pages.post("/servers/{server:key}/contract", allow=server_access(_ACCEPT))
def accept(visit: Visit, server: int) -> Response:
    """Accept the very text that was shown."""
    if not visit.form.ticked("accept"):
        return _page(visit, server, "Tick the box to accept the contract.", code=422)
    client = visit.request.client
    try:
        version, seen = visit.form.text("version", 32), visit.form.text("seen", 64)
        with visit.reading() as work:
            printed = contracts.print_acceptance(
                work,
                visit.actor(_ACCEPT),
                frame.find(work, server),
                version=version,
                seen=seen,
                address=client.host if client is not None else "",
            )
        with visit.work() as work:
            contracts.accept(
                work,
                visit.actor(_ACCEPT),
                frame.find(work, server),
                version=version,
                seen=seen,
                printed=printed,
            )
    except ConflictError as error:
        return _page(visit, server, str(error), code=409)
    except (NotFoundError, ForbiddenError):
        raise
    except OperationError as error:
        return _page(visit, server, str(error), code=422)
    visit.flash("You have accepted the contract. It is kept here as a PDF file.")
    return visit.redirect(f"/servers/{server}/contract")


def _page(visit: Visit, server: int, error: str, code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        is_wanted = contracts.needs_acceptance(work, row)
        text = contracts.contract(work, row)
        accepted = contracts.acceptances(work, row)
    return frame.show(
        visit,
        "owner/contract.html",
        row,
        "/contract",
        code=code,
        is_wanted=is_wanted,
        text=text,
        content=to_html(text.markdown, first_heading=3),
        accepted=accepted,
        current=current(Kind.REGISTRATION_CONTRACT),
        models=[(str(kind), label) for kind, label in _MODELS.items()],
        errors={"accept": error} if error else {},
    )


@pages.get("/servers/{server:key}/contracts/{acceptance:key}.pdf", allow=server_access(_EDIT))
def download_accepted(visit: Visit, server: int, acceptance: int) -> Response:
    """Give a contract as it was accepted."""
    with visit.reading() as work:
        paper = contracts.accepted_document(work, frame.find(work, server), acceptance)
    return visit.download(paper.pdf, paper.filename, _PDF)


@pages.get("/servers/{server:key}/agreements/{kind}.pdf", allow=server_access(_EDIT))
def download_model(visit: Visit, server: int, kind: str) -> Response:
    """Give a model agreement with the owner's and server's names filled in."""
    known = next((one for one in _MODELS if one == kind), None)
    if known is None:
        raise NotFoundError("There is no such agreement.")
    with visit.reading() as work:
        paper = agreements.model_agreement(work, frame.find(work, server), known)
    return visit.download(paper.pdf, paper.filename, _PDF)
