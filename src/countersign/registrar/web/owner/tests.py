"""Relay tests of a server: what each found, how to put it right, and another one on request."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.registrar.api.test_shapes import TestResult
from countersign.registrar.documents.report import report_pdf
from countersign.registrar.operations import control, test_results
from countersign.registrar.operations.certifications import NOT_TESTED
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.operations.parties import registrar_party
from countersign.registrar.queries.test_runs import progress_of, run_of, runs_of
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.report_view import HEADS, report_view
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()

_SEE, _ASK = Permission.SEE_SERVER, Permission.ASK_TEST
CAUSES = {
    "application": "The application",
    "owner": "Asked for by the owner or agent",
    "staff": "Asked for by the registrar",
    "report": "A report of spam",
    "schedule": "Regular test",
    "arrival": "A message of an earlier test arrived after all",
}
"""Why a test is made, to a person."""


@pages.get("/servers/{server:key}/tests", allow=server_access(_SEE))
def show_tests(visit: Visit, server: int) -> Response:
    """Show the tests that were made."""
    return _page(visit, server, "")


@pages.post("/servers/{server:key}/tests", allow=server_access(_ASK))
def ask(visit: Visit, server: int) -> Response:
    """Order a test."""
    try:
        with visit.work() as work:
            test_results.ask_test(work, visit.actor(_ASK), frame.find(work, server))
    except (ConflictError, ForbiddenError):
        raise
    except OperationError as error:
        return _page(visit, server, str(error), code=422)
    visit.flash("The test has been ordered: its result is here in some minutes.")
    return visit.redirect(f"/servers/{server}/tests")


def _page(visit: Visit, server: int, refused: str, code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        page = runs_of(work, row, cursor=visit.query.text("after", 1000) or None)
    if visit.wants_part and visit.request.method == "GET":
        return visit.render_part(
            "owner/tests.html",
            "live",
            server=row,
            base=f"/servers/{row.id}",
            page=page,
            causes=CAUSES,
            here=_here(visit),
        )
    return frame.show(
        visit,
        "owner/tests.html",
        row,
        "/tests",
        code=code,
        page=page,
        causes=CAUSES,
        refused=refused,
        here=_here(visit),
        may_ask=visit.may(_ASK) and row.state not in NOT_TESTED and control.is_proven(row),
        wants_proof=row.state not in NOT_TESTED and not control.is_proven(row),
        has_mailbox=bool(visit.office.config.certification.mailbox.listen),
        pause=test_results.PAUSE_MINUTES,
        most=test_results.TESTS_A_DAY,
    )


def _here(visit: Visit) -> str:
    url = visit.request.url
    return f"{url.path}?{url.query}" if url.query else url.path


@pages.get("/servers/{server:key}/tests/{run:key}", allow=server_access(_SEE))
def show_test(visit: Visit, server: int, run: int) -> Response:
    """Show what one test found, with what was said on the wire."""
    everything = visit.query.ticked("all")
    with visit.reading() as work:
        row = frame.find(work, server)
        found, report = run_of(work, row, run)
        progress = progress_of(work, found) if found.ended_at is None else None
    url = f"/servers/{row.id}/tests/{found.id}"
    context: dict[str, Any] = {
        "run": found,
        "progress": progress,
        "view": report_view(report, everything=everything) if report is not None else None,
        "heads": HEADS,
        "cause": CAUSES.get(found.cause, found.cause),
        "url": url,
        "everything_url": "" if everything else f"{url}?all=yes",
        "may_ask": visit.may(_ASK) and row.state not in NOT_TESTED and control.is_proven(row),
    }
    if visit.wants_part:
        base = f"/servers/{row.id}"
        return visit.render_part("owner/test.html", "live", server=row, base=base, **context)
    return frame.show(visit, "owner/test.html", row, "/tests", **context)


@pages.get("/servers/{server:key}/tests/{run:key}/report.pdf", allow=server_access(_SEE))
def download_pdf(visit: Visit, server: int, run: int) -> Response:
    """Give the report as a PDF file."""
    with visit.reading() as work:
        row = frame.find(work, server)
        found, report = run_of(work, row, run)
        issuer = registrar_party(work)
    if report is None or found.ended_at is None:
        raise NotFoundError("There is no report of this test.")
    cause = CAUSES.get(found.cause, found.cause)
    content = report_pdf(
        report, issuer=issuer, made_at=found.ended_at, number=found.id, cause=cause
    )
    return visit.download(content, f"test-{found.id}-{row.hostname}.pdf", "application/pdf")


@pages.get("/servers/{server:key}/tests/{run:key}/report.json", allow=server_access(_SEE))
def download_json(visit: Visit, server: int, run: int) -> Response:
    """Give the report as the API gives it."""
    with visit.reading() as work:
        row = frame.find(work, server)
        found, report = run_of(work, row, run)
    content = TestResult.of(found, report).model_dump_json(indent=1).encode()
    return visit.download(content, f"test-{found.id}-{row.hostname}.json", "application/json")
