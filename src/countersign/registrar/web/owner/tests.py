"""Relay tests of a server: what each found, how to put it right, and another one on request."""

from __future__ import annotations

from starlette.responses import Response

from countersign.certification.outcome import TestOutcome, Verdict
from countersign.certification.report import Report
from countersign.registrar.operations import test_results
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    OperationError,
)
from countersign.registrar.queries.test_runs import run_of, runs_of
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State

pages = Pages()

_SEE, _ASK = Permission.SEE_SERVER, Permission.ASK_TEST
_NOT_TESTED = ENDED | {State.DRAFT, State.SUBMITTED}
_ORDER = (Verdict.FAILED, Verdict.COULD_NOT_TEST, Verdict.INFORMATION, Verdict.PASSED)
_CAUSES = {
    "application": "The application",
    "owner": "Asked for by the owner or agent",
    "staff": "Asked for by the registrar",
    "report": "A report of spam",
    "schedule": "Regular test",
    "arrival": "A message of an earlier test arrived after all",
}


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
    return frame.show(
        visit,
        "owner/tests.html",
        row,
        "/tests",
        code=code,
        page=page,
        causes=_CAUSES,
        refused=refused,
        may_ask=visit.may(_ASK) and row.state not in _NOT_TESTED,
        pause=test_results.PAUSE_MINUTES,
        most=test_results.TESTS_A_DAY,
    )


@pages.get("/servers/{server:key}/tests/{run:key}", allow=server_access(_SEE))
def show_test(visit: Visit, server: int, run: int) -> Response:
    """Show what one test found, with what was said on the wire."""
    with visit.reading() as work:
        row = frame.find(work, server)
        found, result = run_of(work, row, run)
    return frame.show(
        visit,
        "owner/test.html",
        row,
        "/tests",
        run=found,
        result=result,
        addresses=_addresses(result) if result is not None else [],
        groups=_groups(result) if result is not None else [],
        cause=_CAUSES.get(found.cause, found.cause),
        everything=visit.query.ticked("all"),
    )


def _groups(report: Report) -> list[tuple[Verdict, list[TestOutcome]]]:
    seen = [one for finding in report.findings() for _, one in finding.seen]
    found = [(verdict, [one for one in seen if one.verdict is verdict]) for verdict in _ORDER]
    return [(verdict, outcomes) for verdict, outcomes in found if outcomes]


def _addresses(report: Report) -> list[str]:
    seen = [one.result.addresses for one in report.perspectives if one.result is not None]
    return list(dict.fromkeys(address for addresses in seen for address in addresses))
