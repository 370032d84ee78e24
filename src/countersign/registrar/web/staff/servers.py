"""All servers: search, and what staff see of one."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.registrar.operations import (
    holdings,
    invoices,
    offers,
    refunds,
    server_keys,
    statements,
    trust,
)
from countersign.registrar.operations.accounts import find_by_address
from countersign.registrar.operations.deregistration import deregistration_proposal
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.ledger import accounts_of
from countersign.registrar.operations.sponsor_views import sponsors_of
from countersign.registrar.operations.test_results import ask_test
from countersign.registrar.operations.traps import traps_of
from countersign.registrar.queries import next_steps, staff_servers, timelines
from countersign.registrar.queries.paging import Page
from countersign.registrar.queries.publications import publication_of
from countersign.registrar.queries.test_runs import probes_of, progress_of, run_of
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.report_view import HEADS, report_view
from countersign.registrar.web.staff import server_frame
from countersign.registrar.web.staff.consequences import PURPOSES
from countersign.registrar.web.staff.server_frame import LIST, ONE, staff_access
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import PUBLISHED, Action, State
from countersign.storage.database.money import Purpose
from countersign.storage.database.servers import Server

pages = Pages()

_SEE = staff_access(Permission.SEE_SERVERS)
_LINES = 50


@pages.get(LIST, allow=staff(Permission.SEE_SERVERS))
def show_list(visit: Visit) -> Response:
    """Find servers by the beginning of the host name, or by state."""
    host = visit.query.text("host", 253).lower().rstrip(".")
    state = next((one for one in State if one == visit.query.text("state", 32)), None)
    cursor = visit.query.text("after", 1000) or None
    with visit.reading() as work:
        page = staff_servers.search(work, host=host, state=state, cursor=cursor)
    return _list(visit, page, host=host, state=str(state or ""))


@pages.post(LIST, allow=staff(Permission.SEE_SERVERS))
def find_by_owner(visit: Visit) -> Response:
    """Find the servers of an account. By POST: an address of mail stands in no address bar."""
    email = visit.form.text("email", 255).lower()
    with visit.reading() as work:
        account = find_by_address(work, email) if email else None
        found = (
            staff_servers.of_account(work, account.id) if account is not None else Page([], None)
        )
    return _list(visit, found, email=email)


def _list(
    visit: Visit, page: Page[Server], *, host: str = "", state: str = "", email: str = ""
) -> Response:
    return visit.render(
        "staff/servers.html",
        page=page,
        host=host,
        state=state,
        email=email,
        states=[(str(one), str(one).capitalize()) for one in State],
    )


@pages.get(ONE, allow=_SEE)
def show_overview(visit: Visit, server: int) -> Response:
    """Show how a server stands."""
    with visit.reading() as work:
        row = server_frame.find(work, server)
        proposal = deregistration_proposal(work, row) if row.state in PUBLISHED else None
        suspension = timelines.latest(work, row.id, Action.SUSPEND)
        reported = timelines.latest(work, row.id, Happening.REMEDY_REPORTED)
        change = staff_servers.last_zone_change(work, row.id)
        context: dict[str, Any] = {
            "missing": offers.missing(work, row),
            "forfeiture": refunds.pending_forfeiture(work, row),
            "proposal": proposal,
            "names": timelines.names_of(work, [proposal.account_id if proposal else None]),
            "suspension": suspension if row.state is State.SUSPENDED else None,
            "reported": reported if _is_later(reported, suspension) else None,
            "change": change,
            "publication": publication_of(work, change) if change is not None else None,
            "parties": staff_servers.parties(work, row),
            "held": accounts_of(work, row.id, Purpose.BOND_HELD),
            "due": accounts_of(work, row.id, Purpose.REFUND_DUE),
            "owed": next_steps.open_amounts(work, [row.id]).get(row.id, []),
            "sponsors": sponsors_of(work, row),
            "vouches": trust.live_sponsorships(work, row),
            "runs": timelines.runs_of(work, row.id, limit=1).rows,
            "history": timelines.history_of(work, row.id, limit=10),
        }
    return server_frame.show(visit, "staff/server.html", row, **context)


def _is_later(one: timelines.Happened | None, other: timelines.Happened | None) -> bool:
    return one is not None and (other is None or one.event.id > other.event.id)


@pages.get(ONE + "/events", allow=_SEE)
def show_events(visit: Visit, server: int) -> Response:
    """Show all that has happened to a server: who, when, why."""
    cursor = visit.query.text("after", 1000) or None
    with visit.reading() as work:
        row = server_frame.find(work, server)
        page = timelines.history_of(work, row.id, cursor=cursor, limit=50)
    return server_frame.show(visit, "staff/server_events.html", row, "/events", page=page)


@pages.get(ONE + "/money", allow=staff_access(Permission.SEE_MONEY))
def show_money(visit: Visit, server: int) -> Response:
    """Show a server's invoices, and its part of the ledger."""
    before, after = visit.query.integer("before"), visit.query.integer("after")
    with visit.reading() as work:
        row = server_frame.find(work, server)
        bills = invoices.invoices_of(work, row, before=before or None, limit=_LINES + 1)
        lines = statements.server_lines(work, row, after=after, limit=_LINES + 1)
        paid = next_steps.paid_amounts(work, bills)
    return server_frame.show(
        visit,
        "staff/server_money.html",
        row,
        "/money",
        bills=bills[:_LINES],
        next_bill=bills[_LINES - 1].id if len(bills) > _LINES else 0,
        lines=lines[:_LINES],
        next_line=lines[_LINES - 1].id if len(lines) > _LINES else 0,
        paid=paid,
        purposes=PURPOSES,
    )


@pages.get(ONE + "/tests", allow=_SEE)
def show_tests(visit: Visit, server: int) -> Response:
    """Show a server's relay tests."""
    cursor = visit.query.text("after", 1000) or None
    with visit.reading() as work:
        row = server_frame.find(work, server)
        page = timelines.runs_of(work, row.id, cursor=cursor)
    return server_frame.show(visit, "staff/server_tests.html", row, "/tests", page=page)


@pages.post(ONE + "/tests", allow=staff_access(Permission.ASK_TEST))
def order_test(visit: Visit, server: int) -> Response:
    """Order a relay test."""
    with visit.work() as work:
        ask_test(work, visit.actor(Permission.ASK_TEST), server_frame.find(work, server))
    visit.flash("A relay test has been ordered.")
    return visit.redirect(f"{LIST}/{server}/tests")


@pages.get(ONE + "/tests/{run:key}", allow=_SEE)
def show_run(visit: Visit, server: int, run: int) -> Response:
    """Show the report of a relay test: what was tried, and what was said; and who looked."""
    everything = visit.query.ticked("all")
    with visit.reading() as work:
        row = server_frame.find(work, server)
        found, report = run_of(work, row, run)
        progress = progress_of(work, found) if found.ended_at is None else None
        probes = probes_of(work, found) if visit.may(Permission.SEE_PROBES) else []
    url = f"{LIST}/{server}/tests/{found.id}"
    context: dict[str, Any] = {
        "run": found,
        "progress": progress,
        "probes": probes,
        "view": report_view(report, everything=everything) if report is not None else None,
        "heads": HEADS,
        "url": url,
        "everything_url": "" if everything else f"{url}?all=yes",
    }
    if visit.wants_part:
        return visit.render_part("staff/run.html", "live", server=row, **context)
    return server_frame.show(visit, "staff/run.html", row, "/tests", **context)


@pages.get(ONE + "/holdings", allow=staff_access(Permission.SEE_HOLDINGS))
def show_holdings(visit: Visit, server: int) -> Response:
    """Show a server's privileged users, keys and traps."""
    with visit.reading() as work:
        row = server_frame.find(work, server)
        users = holdings.users_of(work, row, cursor=visit.query.text("after", 1000) or None)
        keys, traps = server_keys.keys_of(work, row), traps_of(work, row)
    return server_frame.show(
        visit,
        "staff/server_holdings.html",
        row,
        "/holdings",
        users=users,
        keys=keys,
        traps=traps,
    )
