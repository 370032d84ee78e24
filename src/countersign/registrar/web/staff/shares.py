"""Sponsors' shares that an adjudicator gives up, on appeal."""

from __future__ import annotations

from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.operations.shares import waive_share
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import server_frame
from countersign.registrar.web.staff.deciding import Errors, decide
from countersign.registrar.web.staff.server_frame import ONE, staff_access
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.money import Invoice, InvoiceKind
from countersign.web.filters import money

pages = Pages()

_ALLOW = staff_access(Permission.ADJUDICATE, fresh=True)
_WAIVE = ONE + "/shares/{invoice:key}"


@pages.get(_WAIVE, allow=_ALLOW)
def show_waive(visit: Visit, server: int, invoice: int) -> Response:
    """Ask why a share is not claimed any more."""
    return _form(visit, server, invoice, {})


@pages.post(_WAIVE, allow=_ALLOW)
def waive(visit: Visit, server: int, invoice: int) -> Response:
    """Give up a claim on a sponsor; what it paid is set aside for it."""
    reason = visit.form.text("reason", 1000)
    with visit.reading() as work:
        row, found = server_frame.find(work, server), _find(work, server, invoice)
    question = server_frame.question(
        row,
        "Give up the claim on {host}?",
        "Give it up",
        summary=[("Share", money(found.amount, found.currency)), ("Reason", reason)],
        kind="danger",
    )

    def act(work: Work) -> str:
        actor = visit.actor(Permission.ADJUDICATE)
        waive_share(work, actor, _find(work, server, invoice), reason)
        return "The share is not owed any more."

    return decide(visit, question, act, lambda errors: _form(visit, server, invoice, errors))


def _form(visit: Visit, server: int, invoice: int, errors: Errors) -> Response:
    with visit.reading() as work:
        found = _find(work, server, invoice)
    return server_frame.show_form(
        visit, "staff/waive.html", server, errors, version=found.version, invoice=found
    )


def _find(work: Work, server: int, invoice: int) -> Invoice:
    found = work.session.scalar(
        select(Invoice).where(
            Invoice.id == invoice,
            Invoice.server_id == server,
            Invoice.kind == InvoiceKind.SPONSOR_SHARE,
        )
    )
    if found is None:
        raise NotFoundError("There is no such share.")
    return found
