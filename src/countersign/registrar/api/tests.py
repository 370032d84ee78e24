"""The API's part for relay tests, and the proof of control that comes before them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from countersign.registrar.api.answering import IfNoneMatch, show
from countersign.registrar.api.caller import Caller, office_of, server_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.idempotency import Key, change
from countersign.registrar.api.problems import answers
from countersign.registrar.api.shapes import Cursor, Key53, Limit
from countersign.registrar.api.test_shapes import ControlView, TestResult, Tests, TestView
from countersign.registrar.operations import control, test_results
from countersign.registrar.operations.office import Work
from countersign.registrar.queries.control import look_is_due
from countersign.registrar.queries.test_runs import run_of, runs_of
from countersign.registrar.web.access import declare, token
from countersign.rules.access import Permission, Scope
from countersign.storage.database.servers import Server

router = APIRouter(tags=["Tests"], route_class=GuardedRoute)


@router.get("/servers/{server}/tests", response_model=Tests, responses=answers(304, 404, 422))
@declare(token(Scope.READ_SERVERS))
def list_tests(
    request: Request,
    server: Key53,
    *,
    bearer: Caller,
    cursor: Cursor = None,
    limit: Limit = 20,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the relay tests of a server without their reports, the latest first."""
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_SERVER)
        page = runs_of(work, found, cursor=cursor, limit=limit)
    items = [TestView.model_validate(run) for run in page.rows]
    return show(Tests(items=items, next=page.next), if_none_match)


@router.get(
    "/servers/{server}/tests/{test}", response_model=TestResult, responses=answers(304, 404)
)
@declare(token(Scope.READ_SERVERS))
def get_test(
    request: Request,
    server: Key53,
    test: Key53,
    *,
    bearer: Caller,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Get one relay test with its report.

    Each test as each perspective saw it, what was said on the wire, what it means, and how to
    put it right.
    """
    with office_of(request).reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_SERVER)
        run, report = run_of(work, found, test)
        view = TestResult.of(run, report)
    return show(view, if_none_match)


@router.post(
    "/servers/{server}/tests",
    response_model=TestView,
    status_code=202,
    responses=answers(404, 409, 422),
)
@declare(token(Scope.WRITE_SERVERS))
def ask_for_test(request: Request, server: Key53, *, bearer: Caller, key: Key = None) -> Response:
    """Ask for a relay test; it is made within minutes. Ten a day at most, not in a row.

    Control of the host must have been proven.
    """

    def ask(work: Work) -> TestView:
        found, actor = server_of(work, bearer, server, Permission.ASK_TEST)
        return TestView.model_validate(test_results.ask_test(work, actor, found))

    return change(request, bearer, key, ask, status=202)


@router.get("/servers/{server}/control", response_model=ControlView, responses=answers(304, 404))
@declare(token(Scope.READ_SERVERS))
def get_control(
    request: Request, server: Key53, *, bearer: Caller, if_none_match: IfNoneMatch = None
) -> Response:
    """Get what proves control of the host, and whether it has been seen."""
    office = office_of(request)
    with office.reading() as work:
        found, _ = server_of(work, bearer, server, Permission.SEE_SERVER)
        view = _control(work, found)
    if not view.token:
        with office.work() as work:
            found, _ = server_of(work, bearer, server, Permission.SEE_SERVER)
            control.token_of(work, found)
            view = _control(work, found)
    return show(view, if_none_match)


@router.post(
    "/servers/{server}/control",
    response_model=ControlView,
    status_code=202,
    responses=answers(404, 409, 422),
)
@declare(token(Scope.WRITE_SERVERS))
def look_for_control(
    request: Request, server: Key53, *, bearer: Caller, key: Key = None
) -> Response:
    """Let the proof of control be looked for now; every two minutes at most."""

    def ask(work: Work) -> ControlView:
        found, actor = server_of(work, bearer, server, Permission.ASK_TEST)
        control.ask_check(work, actor, found)
        return _control(work, found)

    return change(request, bearer, key, ask, status=202)


def _control(work: Work, server: Server) -> ControlView:
    return ControlView.of(server, is_being_looked_for=look_is_due(work, server))
