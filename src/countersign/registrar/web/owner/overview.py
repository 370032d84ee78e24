"""A server's page: how it stands, what is next, and all that has happened to it."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import applications, dossier
from countersign.registrar.operations.ledger import accounts_of
from countersign.registrar.operations.office import (
    ConflictError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.operations.trust import has_standing
from countersign.registrar.queries.next_steps import Facts, facts_of
from countersign.registrar.queries.servers import events_of, latest_event
from countersign.registrar.web import event_words
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.owner.next_step import NextStep, next_step_of
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, TRANSITIONS, Action, State
from countersign.storage.database.money import Purpose
from countersign.storage.database.servers import Server

pages = Pages()

_SEE, _EDIT = Permission.SEE_SERVER, Permission.EDIT_APPLICATION
_SHORT = 8


@pages.get("/servers/{server:key}", allow=server_access(_SEE))
def show_overview(visit: Visit, server: int) -> Response:
    """Show how a server stands."""
    with visit.reading() as work:
        row = frame.find(work, server)
        facts = facts_of(work, [row])[row.id]
        step = _next(visit, work, row, facts)
        happened = events_of(work, row, visit.me.account_id, limit=_SHORT)
        reached = _reached(work, row)
        returned = latest_event(work, row, Action.RETURN) if row.state is State.DRAFT else None
        held = accounts_of(work, row.id, Purpose.BOND_HELD)
        refunds = accounts_of(work, row.id, Purpose.REFUND_DUE)
        is_trusted = row.state is State.ACTIVE and has_standing(work, row)
    return frame.show(
        visit,
        "owner/overview.html",
        row,
        "",
        facts=facts,
        next=step,
        happened=happened,
        words=event_words,
        reached=reached,
        returned=returned,
        held=held,
        refunds=refunds,
        is_trusted=is_trusted,
        may_leave=visit.may(_EDIT) and (row.state, Action.WITHDRAW) in TRANSITIONS,
    )


def _next(visit: Visit, work: Work, row: Server, facts: Facts) -> NextStep:
    """Return the next step; of a draft by what is missing from it."""
    if row.state is not State.DRAFT or not visit.may(_EDIT):
        return next_step_of(row, facts)
    number = len(dossier.what_is_missing(work, row))
    if number:
        note = "1 thing is missing." if number == 1 else f"{number} things are missing."
        return NextStep(
            "Complete the application.", note, "/application", "Continue the application"
        )
    if dossier.unconfirmed_contacts(work, row):
        return NextStep(
            "Confirm the e-mail addresses: each was sent a letter with a link.",
            path="/application/review#contacts",
            label="See which",
        )
    return NextStep(
        "Submit the application.", path="/application/review", label="Review and submit"
    )


def _reached(work: Work, row: Server) -> str:
    """Return the last state on the main line of a server that has left it."""
    if row.state not in ENDED:
        return ""
    event = latest_event(work, row, _ENDING[row.state])
    if event is None and row.state is State.WITHDRAWN:
        event = latest_event(work, row, Action.LAPSE)
    if event is None or event.from_state is None:
        return ""
    return "active" if row.active_since is not None else str(event.from_state)


_ENDING = {
    State.DEREGISTERED: Action.DEREGISTER,
    State.DENIED: Action.DENY,
    State.WITHDRAWN: Action.WITHDRAW,
}


@pages.get("/servers/{server:key}/events", allow=server_access(_SEE))
def show_events(visit: Visit, server: int) -> Response:
    """Show the whole log of a server, page by page."""
    with visit.reading() as work:
        row = frame.find(work, server)
        happened = events_of(
            work, row, visit.me.account_id, cursor=visit.query.text("after", 1000) or None
        )
    return frame.show(visit, "owner/events.html", row, "", happened=happened, words=event_words)


@pages.get("/servers/{server:key}/withdraw", allow=server_access(_EDIT))
def show_withdrawal(visit: Visit, server: int) -> Response:
    """Say what a withdrawal does, and ask whether it is meant."""
    return _withdrawal(visit, server, "")


@pages.post("/servers/{server:key}/withdraw", allow=server_access(_EDIT))
def withdraw(visit: Visit, server: int) -> Response:
    """End the application or registration."""
    if not visit.form.ticked("sure"):
        return _withdrawal(visit, server, "Tick the box if you are sure.", code=422)
    try:
        with visit.work() as work:
            row = frame.find(work, server)
            applications.withdraw(
                work,
                visit.actor(_EDIT),
                row,
                reason=visit.form.text("reason", 1000),
                seen_version=visit.form.integer("version", 0),
            )
    except (NotFoundError, ConflictError):
        raise
    except OperationError as error:
        return _withdrawal(visit, server, str(error), code=422)
    visit.flash("It has been withdrawn.")
    return visit.redirect(f"/servers/{server}")


def _withdrawal(visit: Visit, server: int, refused: str, code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        held = accounts_of(work, row.id, Purpose.BOND_HELD)
        facts = facts_of(work, [row])[row.id]
    return frame.show(
        visit,
        "owner/withdraw.html",
        row,
        "",
        code=code,
        held=held,
        facts=facts,
        reason=visit.form.text("reason", 1000),
        errors={"sure": refused} if refused else {},
        possible=(row.state, Action.WITHDRAW) in TRANSITIONS,
    )
