"""Suspend a server, change what is asked for, say that it is done, reinstate."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import sanctions
from countersign.registrar.operations.office import Work
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import server_frame
from countersign.registrar.web.staff.deciding import Errors, decide, seen_version
from countersign.registrar.web.staff.server_frame import ONE, staff_access
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.servers import Server

pages = Pages()

_ALLOW = staff_access(Permission.ADJUDICATE, fresh=True)


@pages.get(ONE + "/suspend", allow=_ALLOW)
def show_suspend(visit: Visit, server: int) -> Response:
    """Ask why a server is suspended, and what lifts it."""
    return _suspend_form(visit, server, {})


@pages.post(ONE + "/suspend", allow=_ALLOW)
def suspend(visit: Visit, server: int) -> Response:
    """Suspend a server."""
    row, form = _row(visit, server), visit.form
    reason, public = form.text("reason", 1000), form.text("public_reason", 255)
    remedy = form.text("remedy", 1000)
    question = server_frame.question(
        row,
        "Suspend {host}?",
        "Suspend it",
        kind="danger",
        summary=[("Reason", reason), ("For everybody", public), ("What lifts it", remedy)],
    )

    def act(work: Work) -> str:
        sanctions.suspend(
            work,
            visit.actor(Permission.ADJUDICATE),
            server_frame.find(work, server),
            reason=reason,
            public_reason=public,
            remedy=remedy,
            seen_version=seen_version(visit),
        )
        return f"{row.hostname} is suspended."

    return decide(visit, question, act, lambda errors: _suspend_form(visit, server, errors))


def _suspend_form(visit: Visit, server: int, errors: Errors) -> Response:
    return server_frame.show_form(visit, "staff/suspend.html", server, errors, change=False)


@pages.get(ONE + "/suspension", allow=_ALLOW)
def show_change(visit: Visit, server: int) -> Response:
    """Ask what else is to be done before a suspension is lifted."""
    return _change_form(visit, server, {})


@pages.post(ONE + "/suspension", allow=_ALLOW)
def change(visit: Visit, server: int) -> Response:
    """Ask for something else before a suspension is lifted."""
    row, form = _row(visit, server), visit.form
    reason, public = form.text("reason", 1000), form.text("public_reason", 255)
    remedy = form.text("remedy", 1000)
    question = server_frame.question(
        row,
        "Change the suspension of {host}?",
        "Change the suspension",
        summary=[("Reason", reason), ("For everybody", public), ("What lifts it", remedy)],
    )

    def act(work: Work) -> str:
        sanctions.change_suspension(
            work,
            visit.actor(Permission.ADJUDICATE),
            server_frame.find(work, server),
            reason=reason,
            public_reason=public,
            remedy=remedy,
            seen_version=seen_version(visit),
        )
        return f"The suspension of {row.hostname} has been changed."

    return decide(visit, question, act, lambda errors: _change_form(visit, server, errors))


def _change_form(visit: Visit, server: int, errors: Errors) -> Response:
    return server_frame.show_form(visit, "staff/suspend.html", server, errors, change=True)


@pages.get(ONE + "/remedy", allow=_ALLOW)
def show_remedy(visit: Visit, server: int) -> Response:
    """Ask how it is known that what was asked for has been done."""
    return _remedy_form(visit, server, {})


@pages.post(ONE + "/remedy", allow=_ALLOW)
def mark_remedy(visit: Visit, server: int) -> Response:
    """Say that the cause of a suspension is removed."""
    row, reason = _row(visit, server), visit.form.text("reason", 1000)
    question = server_frame.question(
        row,
        "Is what was asked of {host} done?",
        "It is done",
        summary=[("What was asked", row.remedy), ("How it is known", reason)],
    )

    def act(work: Work) -> str:
        lifted = sanctions.mark_remedy_done(
            work,
            visit.actor(Permission.ADJUDICATE),
            server_frame.find(work, server),
            reason,
            seen_version=seen_version(visit),
        )
        if lifted:
            return f"{row.hostname} may send again."
        return "It is recorded. What is still to be paid lifts the suspension."

    return decide(visit, question, act, lambda errors: _remedy_form(visit, server, errors))


def _remedy_form(visit: Visit, server: int, errors: Errors) -> Response:
    return server_frame.show_form(visit, "staff/remedy.html", server, errors)


@pages.get(ONE + "/reinstate", allow=_ALLOW)
def show_reinstate(visit: Visit, server: int) -> Response:
    """Ask why a server gets its privileges back."""
    return _reinstate_form(visit, server, {})


@pages.post(ONE + "/reinstate", allow=_ALLOW)
def reinstate(visit: Visit, server: int) -> Response:
    """Give a suspended server its sending privileges back."""
    row, reason = _row(visit, server), visit.form.text("reason", 1000)
    question = server_frame.question(
        row, "Reinstate {host}?", "Reinstate it", summary=[("Reason", reason)]
    )

    def act(work: Work) -> str:
        sanctions.reinstate(
            work,
            visit.actor(Permission.ADJUDICATE),
            server_frame.find(work, server),
            reason,
            seen_version=seen_version(visit),
        )
        return f"{row.hostname} may send again."

    return decide(visit, question, act, lambda errors: _reinstate_form(visit, server, errors))


def _reinstate_form(visit: Visit, server: int, errors: Errors) -> Response:
    return server_frame.show_form(visit, "staff/reinstate.html", server, errors)


def _row(visit: Visit, server: int) -> Server:
    with visit.reading() as work:
        return server_frame.find(work, server)
