"""A server tested as a sender: it sends a message, and the registrar's mailbox asks it back."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.certification.outcome import BatteryResult
from countersign.certification.report import one_perspective
from countersign.registrar.operations import control, sending_tests
from countersign.registrar.operations.certifications import NOT_TESTED
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.report_view import HEADS, ReportView, report_view
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.probing import SendingTest

pages = Pages()

_SEE, _ASK = Permission.SEE_SERVER, Permission.ASK_TEST


@pages.get("/servers/{server:key}/sending-test", allow=server_access(_SEE))
def show_sending(visit: Visit, server: int) -> Response:
    """Show the address to send to, and what came of it."""
    return _page(visit, server, "")


@pages.post("/servers/{server:key}/sending-test", allow=server_access(_ASK))
def ask(visit: Visit, server: int) -> Response:
    """Begin a test: an address that takes a message."""
    try:
        with visit.work() as work:
            sending_tests.ask(work, visit.actor(_ASK), frame.find(work, server))
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _page(visit, server, str(error), code=422)
    return visit.redirect(f"/servers/{server}/sending-test")


def _page(visit: Visit, server: int, refused: str, code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        test = sending_tests.latest(work, row)
        open_test = sending_tests.current(work, row)
        address = sending_tests.address_of(work, open_test) if open_test is not None else ""
    may_test = row.state not in NOT_TESTED and control.is_proven(row)
    is_waiting = open_test is not None and not open_test.verdict
    context: dict[str, Any] = {
        "test": test,
        "address": address,
        "open_test": open_test,
        "view": _view(test),
        "heads": HEADS,
        "everything_url": "",
        "refused": refused,
        "may_ask": visit.may(_ASK) and may_test and not is_waiting,
        "wants_proof": row.state not in NOT_TESTED and not control.is_proven(row),
    }
    base = f"/servers/{row.id}"
    if visit.wants_part and visit.request.method == "GET":
        return visit.render_part("owner/sending.html", "live", server=row, base=base, **context)
    return frame.show(visit, "owner/sending.html", row, "/tests", code=code, **context)


def _view(test: SendingTest | None) -> ReportView | None:
    if test is None or not test.result:
        return None
    try:
        result = BatteryResult.from_dict(test.result)
    except ValueError:
        # Written by another version: the verdict still stands in the row.
        return None
    return report_view(one_perspective(result), everything=True)
