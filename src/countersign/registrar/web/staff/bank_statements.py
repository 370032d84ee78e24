"""Statements of the bank: uploaded, taken in, and what came of it."""

from __future__ import annotations

import io

from starlette.responses import Response

from countersign.registrar.money.camt import CamtError
from countersign.registrar.operations.office import NotFoundError, OperationError
from countersign.registrar.operations.statement_import import IMPORTED, import_file
from countersign.registrar.queries import timelines, treasury
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import money_frame
from countersign.registrar.web.staff.deciding import Errors
from countersign.registrar.web.staff.money_frame import LIST, MOVE, SEE
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.accounts import AccessRecord

pages = Pages()

_UPLOAD = LIST + "/statement"


@pages.get(_UPLOAD, allow=MOVE)
def show_upload(visit: Visit) -> Response:
    """Ask for a statement."""
    return _form(visit, {})


@pages.post(_UPLOAD, allow=MOVE, uploads=1)
def upload(visit: Visit) -> Response:
    """Take a CAMT.053 file in. The same file again does no harm: each movement counts once."""
    file = visit.form.upload("file")
    largest = visit.office.config.security.upload_size
    if file is None:
        return _form(visit, {"file": "Choose the file that the bank gave you."})
    if len(file.content) > largest:
        return _form(visit, {"file": f"The file is larger than {largest // 10**6} MB."})
    try:
        actor = visit.actor(Permission.MOVE_MONEY)
        result = import_file(visit.office, actor, io.BytesIO(file.content))
    except CamtError as error:
        text = str(error)
        return _form(visit, {"file": f"This is no statement that can be read: {text}."})
    except OperationError as error:
        return _form(visit, {"": str(error)})
    return visit.redirect(f"{_UPLOAD}/{result.record}")


def _form(visit: Visit, errors: Errors) -> Response:
    return visit.render(
        "staff/statement_upload.html",
        code=422 if errors else 200,
        errors=errors,
        trail=[("Payments", LIST)],
    )


@pages.get(_UPLOAD + "/{record:key}", allow=SEE)
def show_result(visit: Visit, record: int) -> Response:
    """Show what a statement had in it: matched, not matched, known before."""
    with visit.reading() as work:
        found = work.session.get(AccessRecord, record)
        if found is None or found.what != IMPORTED:
            raise NotFoundError("There is no such import.")
        details = found.details
        page = treasury.payments_between(
            work,
            int(details["payments_after"]),
            int(details["payments_through"]),
            found.account_id or 0,
            cursor=money_frame.cursor(visit),
        )
        names = timelines.names_of(work, [found.account_id])
    return visit.render(
        "staff/statement_result.html",
        record=found,
        result=details,
        page=page,
        who=names.get(found.account_id or 0, ""),
        base=f"{_UPLOAD}/{record}",
        trail=[("Payments", LIST)],
    )
