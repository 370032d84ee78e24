"""Requests to become an agent, for administrators."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import accreditations
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()

_ALLOW = staff(Permission.ACCREDIT)
_BACK = "/staff/accreditations"


@pages.get(_BACK, allow=_ALLOW)
def show_requests(visit: Visit) -> Response:
    """Show what waits for a decision, and the agents."""
    with visit.reading() as work:
        actor = visit.actor(Permission.ACCREDIT)
        agents = accreditations.accredited(work, actor, visit.query.integer("after"))
        page = accreditations.PAGE
        return visit.render(
            "account/accreditations.html",
            waiting=accreditations.waiting(work, actor)[:page],
            agents=agents[:page],
            next_after=agents[page - 1][0].id if len(agents) > page else 0,
        )


@pages.post(_BACK + "/{request:key}/decide", allow=_ALLOW)
def decide(visit: Visit, request: int) -> Response:
    """Accredit or refuse."""
    accept = visit.form.text("decision") == "accredit"
    with visit.work() as work:
        actor = visit.actor(Permission.ACCREDIT)
        reason = visit.form.text("reason", 1000)
        accreditations.decide(work, actor, request, accept=accept, reason=reason)
    visit.flash("The agent has been accredited." if accept else "The request has been refused.")
    return visit.redirect(_BACK)


@pages.post(_BACK + "/{request:key}/withdraw", allow=_ALLOW)
def withdraw(visit: Visit, request: int) -> Response:
    """End an accreditation."""
    with visit.work() as work:
        actor = visit.actor(Permission.ACCREDIT)
        accreditations.withdraw(work, actor, request, reason=visit.form.text("reason", 1000))
    visit.flash("The accreditation has been withdrawn.")
    return visit.redirect(_BACK)
