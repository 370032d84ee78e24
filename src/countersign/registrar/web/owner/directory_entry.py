"""What the public directory shows of a server: changed by the owner, with a look at the result."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import applications, dossier
from countersign.registrar.operations.office import (
    ConflictError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.particulars.draft import form_values
from countersign.registrar.particulars.steps import Step, all_steps
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.owner.step_forms import members_of
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State

pages = Pages()

_EDIT = Permission.EDIT_APPLICATION
_PATH = "/servers/{server:key}/directory-entry"


@pages.get(_PATH, allow=server_access(_EDIT))
def show_entry(visit: Visit, server: int) -> Response:
    """Show the entry as everybody sees it, and the form to change it."""
    return _page(visit, server)


@pages.post(_PATH, allow=server_access(_EDIT))
def change(visit: Visit, server: int) -> Response:
    """Change what is public."""
    form = visit.form.plain()
    try:
        with visit.work() as work:
            row = frame.find(work, server)
            result = applications.save_step(
                work, visit.actor(_EDIT), row, Step.DIRECTORY, form, is_form=True
            )
    except (ConflictError, NotFoundError):
        raise
    except OperationError as error:
        return _page(visit, server, form, {"": str(error)})
    if not result.ok:
        return _page(visit, server, form, result.errors)
    visit.flash("The entry has been changed.")
    return visit.redirect(f"/servers/{server}/directory-entry")


def _page(
    visit: Visit,
    server: int,
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        values = form_values(dossier.load(work, row.id), Step.DIRECTORY)
    spec = all_steps()[Step.DIRECTORY]
    faults = errors or {}
    return frame.show(
        visit,
        "owner/directory_entry.html",
        row,
        "/directory-entry",
        code=422 if faults else 200,
        member=members_of(spec, values if typed is None else typed, faults)[0],
        errors=faults,
        all_countries=(),
        is_shown=row.state is State.ACTIVE,
        may_change=row.state not in ENDED and row.state is not State.SUBMITTED,
    )
