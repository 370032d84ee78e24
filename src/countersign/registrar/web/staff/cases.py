"""The queue of cases: suspensions with open remedies, forfeitures, deregistrations."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.registrar.operations.happenings import Happening
from countersign.registrar.queries import cases, timelines
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()

_CASES = "/staff/cases"


@pages.get(_CASES, allow=staff(Permission.CONFIRM_FORFEITURE))
def show_forfeitures(visit: Visit) -> Response:
    """Show the forfeitures that wait for a second person, or for a reply."""
    with visit.reading() as work:
        page = cases.forfeitures(work, cursor=_cursor(visit))
    return _show(visit, "staff/cases.html", "", page=page)


@pages.get(_CASES + "/suspensions", allow=staff(Permission.ADJUDICATE))
def show_suspensions(visit: Visit) -> Response:
    """Show the suspended servers, first those of whom something is still asked."""
    everything = visit.query.text("list", 10) == "all"
    with visit.reading() as work:
        page = cases.suspensions(work, open_only=not everything, cursor=_cursor(visit))
        reports = timelines.latest_of_each(
            work, [server.id for server in page.rows], Happening.REMEDY_REPORTED
        )
    said = {
        server.id: reports[server.id]
        for server in page.rows
        if server.id in reports and reports[server.id].at >= server.state_since
    }
    return _show(
        visit,
        "staff/suspensions.html",
        "/suspensions",
        page=page,
        said=said,
        everything=everything,
    )


@pages.get(_CASES + "/deregistrations", allow=staff(Permission.ADJUDICATE))
def show_deregistrations(visit: Visit) -> Response:
    """Show the proposals to strike servers off."""
    with visit.reading() as work:
        page = cases.deregistrations(work, cursor=_cursor(visit))
    return _show(visit, "staff/deregistrations.html", "/deregistrations", page=page)


def _cursor(visit: Visit) -> str | None:
    return visit.query.text("after", 1000) or None


def _show(visit: Visit, template: str, tab: str, **context: Any) -> Response:
    tabs = [("Forfeitures", _CASES, tab == "")]
    if visit.may(Permission.ADJUDICATE):
        tabs += [
            ("Suspensions", f"{_CASES}/suspensions", tab == "/suspensions"),
            ("Deregistrations", f"{_CASES}/deregistrations", tab == "/deregistrations"),
        ]
    return visit.render(template, tabs=tabs, me=visit.me.account_id, **context)
