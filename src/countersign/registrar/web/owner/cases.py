"""Cases of a server: its suspension and what lifts it, forfeitures and replies, what was before."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import forfeitures
from countersign.registrar.operations.deregistration import deregistration_proposal
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.operations.refunds import pending_forfeiture
from countersign.registrar.operations.remedies import report_remedy
from countersign.registrar.queries.next_steps import facts_of
from countersign.registrar.queries.servers import events_of, latest_event
from countersign.registrar.web import event_words
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import PUBLISHED, Action, State
from countersign.storage.database.promises import Forfeiture
from countersign.storage.database.servers import Server

pages = Pages()

_SEE, _ANSWER = Permission.SEE_SERVER, Permission.ANSWER_CASE
_OF_CASES = (
    Action.SUSPEND,
    Action.REINSTATE,
    Action.DEREGISTER,
    Happening.SUSPENSION_CHANGED,
    Happening.REMEDY_REPORTED,
    Happening.REMEDY_DONE,
    Happening.FORFEITURE_PROPOSED,
    Happening.FORFEITURE_REPLIED,
    Happening.FORFEITED,
    Happening.FORFEITURE_DROPPED,
    Happening.DEREGISTRATION_PROPOSED,
    Happening.DEREGISTRATION_DROPPED,
    Happening.SHARE_AT_RISK,
    Happening.SHARE_CLAIMED,
    Happening.SHARE_WAIVED,
)


@pages.get("/servers/{server:key}/cases", allow=server_access(_SEE))
def show_cases(visit: Visit, server: int) -> Response:
    """Show what is held against a server, what lifts it, and what was decided before."""
    return _page(visit, server, {})


@pages.post("/servers/{server:key}/cases/reply", allow=server_access(_ANSWER))
def reply(visit: Visit, server: int) -> Response:
    """Reply to a proposed forfeiture."""
    try:
        with visit.work() as work:
            row = frame.find(work, server)
            forfeiture = _forfeiture(work, row, visit.form.integer("forfeiture"))
            forfeitures.reply(
                work, visit.actor(_ANSWER), forfeiture, visit.form.text("reply", 4000)
            )
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _page(visit, server, {"reply": str(error)}, code=422)
    visit.flash("Your reply is with the registrar: a person decides now.")
    return visit.redirect(f"/servers/{server}/cases")


def _forfeiture(work: Work, row: Server, key: int) -> Forfeiture:
    found = work.session.get(Forfeiture, key)
    if found is None or found.server_id != row.id:
        raise NotFoundError("There is no such forfeiture.")
    return found


@pages.post("/servers/{server:key}/cases/remedy", allow=server_access(_ANSWER))
def report(visit: Visit, server: int) -> Response:
    """Say what has been done to lift the suspension."""
    try:
        with visit.work() as work:
            row = frame.find(work, server)
            report_remedy(work, visit.actor(_ANSWER), row, visit.form.text("done", 4000))
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _page(visit, server, {"done": str(error)}, code=422)
    visit.flash("The registrar has been told, and looks at it.")
    return visit.redirect(f"/servers/{server}/cases")


def _page(visit: Visit, server: int, errors: dict[str, str], code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        forfeiture = pending_forfeiture(work, row)
        suspended = row.state is State.SUSPENDED
        suspension = latest_event(work, row, Action.SUSPEND) if suspended else None
        proposal = deregistration_proposal(work, row) if row.state in PUBLISHED else None
        facts = facts_of(work, [row])[row.id]
        happened = events_of(
            work,
            row,
            visit.me.account_id,
            actions=[str(one) for one in _OF_CASES],
            cursor=visit.query.text("after", 1000) or None,
        )
    return frame.show(
        visit,
        "owner/cases.html",
        row,
        "/cases",
        code=code,
        forfeiture=forfeiture,
        suspension=suspension,
        proposal=proposal,
        facts=facts,
        happened=happened,
        words=event_words,
        may_answer=visit.may(_ANSWER),
        typed=visit.form.plain(),
        errors=errors,
    )
