"""Proving that one controls the host: its token, how to publish it, and a look for it now."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.protocol.control import control_name, control_text, zone_line
from countersign.registrar.control_proof import Method
from countersign.registrar.operations import control
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.queries.control import look_is_due
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED

pages = Pages()

_SEE, _ASK = Permission.SEE_SERVER, Permission.ASK_TEST
METHODS = {Method.DNS: "by a record in the DNS", Method.GATEWAY: "by the host’s gateway"}
"""How control was proven, to a person."""


@pages.get("/servers/{server:key}/control", allow=server_access(_SEE))
def show_control(visit: Visit, server: int) -> Response:
    """Show the token, and what has been seen of it."""
    return _page(visit, server, "")


@pages.post("/servers/{server:key}/control", allow=server_access(_ASK))
def ask(visit: Visit, server: int) -> Response:
    """Look for the proof now."""
    try:
        with visit.work() as work:
            control.ask_check(work, visit.actor(_ASK), frame.find(work, server))
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _page(visit, server, str(error), code=422)
    return visit.redirect(f"/servers/{server}/control")


def _page(visit: Visit, server: int, refused: str, code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        looking = look_is_due(work, row)
    if not row.control_token and row.state not in ENDED:
        # Made when it is first asked for; no reader's deed, so nothing is said of it.
        with visit.work() as work:
            row = frame.find(work, server)
            control.token_of(work, row)
    context: dict[str, Any] = {
        "looking": looking,
        "refused": refused,
        "method": next((METHODS[one] for one in Method if one == row.control_method), ""),
        "is_ended": row.state in ENDED,
        "name": control_name(row.hostname),
        "text": control_text(row.control_token),
        "line": zone_line(row.hostname, row.control_token),
        "may_ask": visit.may(_ASK) and row.state not in ENDED and not control.is_proven(row),
        "pause": control.PAUSE_MINUTES,
    }
    if visit.wants_part and visit.request.method == "GET":
        base = f"/servers/{row.id}"
        return visit.render_part("owner/control.html", "live", server=row, base=base, **context)
    return frame.show(visit, "owner/control.html", row, "/control", code=code, **context)
