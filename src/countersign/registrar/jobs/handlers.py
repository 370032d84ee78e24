"""What is done for each kind of job that operations order."""

from __future__ import annotations

from typing import Any

from countersign.registrar.domain_age import CouldNotTell, DomainAgeSearch, Outcome
from countersign.registrar.jobs.control import look, record
from countersign.registrar.jobs.daily import run_daily
from countersign.registrar.jobs.kinds import GiveUpError, Kind, Lane, TryLaterError
from countersign.registrar.jobs.queue import Task
from countersign.registrar.jobs.schedule import ADDRESSES, DAILY
from countersign.registrar.mail.posting import post
from countersign.registrar.operations import control
from countersign.registrar.operations.domain_ages import record_finding
from countersign.registrar.operations.forfeitures import execute_if_due
from countersign.registrar.operations.offers import make_offer, try_activate
from countersign.registrar.operations.office import Office, Work
from countersign.registrar.operations.screenings import (
    Comparison,
    compare_with_offenders,
    record_comparison,
)
from countersign.registrar.operations.test_beginning import begin_run
from countersign.registrar.operations.test_settling import settle_run
from countersign.registrar.publishing import addresses
from countersign.registrar.publishing.addresses import Found
from countersign.registrar.publishing.orders import PUBLISH
from countersign.registrar.publishing.publisher import publish
from countersign.registry.copy.errors import CopyBusyError, CopyError
from countersign.storage.database.servers import Server, TestRun

_LOOK_UPS = 3
"""How often the age of a domain is asked for before it is called unknown."""
_LONGEST_WAIT = 3600.0
_BUSY_PAUSE = 10.0


def _server(work: Work, task: Task) -> Server:
    server = work.session.get(Server, task.payload["server"])
    if server is None:
        raise GiveUpError("there is no such server")
    return server


def _compare(office: Office, task: Task) -> Comparison | None:
    return compare_with_offenders(office, task.payload["server"])


def _record_comparison(work: Work, task: Task, result: Comparison | None) -> None:
    record_comparison(work, _server(work, task), result)


def _look_up_age(office: Office, task: Task) -> Outcome:
    with office.reading() as work:
        hostname = _server(work, task).hostname
    outcome = DomainAgeSearch(office.config.domain_age).find_now(hostname)
    if isinstance(outcome, CouldNotTell) and task.attempts < _LOOK_UPS:
        wait = outcome.retry_after
        raise TryLaterError(outcome.reason, None if wait is None else min(wait, _LONGEST_WAIT))
    return outcome


def _record_age(work: Work, task: Task, result: Outcome) -> None:
    record_finding(work, _server(work, task), result)


def _begin_test(work: Work, task: Task, _result: Any) -> None:
    begin_run(work, _run(work, task))


def _settle_test(work: Work, task: Task, _result: Any) -> None:
    settle_run(work, _run(work, task))


def _run(work: Work, task: Task) -> TestRun:
    run = work.session.get(TestRun, task.payload["run"])
    if run is None:
        raise GiveUpError("there is no such test run")
    return run


def _offer(work: Work, task: Task, _result: Any) -> None:
    make_offer(work, _server(work, task))


def _review(work: Work, task: Task, _result: Any) -> None:
    try_activate(work, _server(work, task))


def _forfeit(work: Work, task: Task, _result: Any) -> None:
    execute_if_due(work, task.payload["forfeiture"])


def _publish(office: Office, task: Task) -> None:
    try:
        publish(office, task.id)
    except CopyBusyError as error:
        # Whoever writes the copy anew takes a while, and no longer.
        raise TryLaterError(str(error), _BUSY_PAUSE) from None
    except CopyError as error:
        raise TryLaterError(str(error)) from None


def _look_up_address(office: Office, task: Task) -> list[Found]:
    with office.reading() as work:
        server = _server(work, task)
    found = addresses.look_up(office.config, [(server.id, server.hostname)])
    if not found[0].families and task.attempts < _LOOK_UPS:
        raise TryLaterError("the DNS does not answer")
    # Whoever does not answer now is asked again with all others.
    return found


def _look_up_addresses(office: Office, task: Task) -> list[Found]:
    with office.reading() as work:
        servers = addresses.servers_after(work, task.payload["after"])
    found = addresses.look_up(office.config, servers)
    no_answer = bool(found) and not any(one.families for one in found)
    if no_answer and task.attempts < _LOOK_UPS:
        raise TryLaterError("the DNS does not answer")
    # Perhaps it is these names that nobody answers for: the others are not to wait for them.
    return found


def _record_addresses(work: Work, task: Task, found: list[Found]) -> None:
    addresses.record(work, found)
    if task.kind == ADDRESSES and len(found) == addresses.SERVERS_AT_ONCE:
        # The next ones are a job of their own: whatever else is in this lane has its turn.
        work.order(ADDRESSES, {"after": found[-1].server_id})


KINDS: dict[str, Kind] = {
    "screen": Kind(Lane.PROMPT, _compare, _record_comparison),
    "offer": Kind(Lane.PROMPT, conclude=_offer),
    "review": Kind(Lane.PROMPT, conclude=_review),
    "forfeiture": Kind(Lane.PROMPT, conclude=_forfeit),
    control.CONTROL: Kind(Lane.LONG, look, record),
    "test": Kind(Lane.PROMPT, conclude=_begin_test),
    "settle": Kind(Lane.PROMPT, conclude=_settle_test),
    PUBLISH: Kind(Lane.PROMPT, _publish, attempts=100),
    # With pauses of an hour at the most: about three days, as mail servers do it.
    "mail": Kind(Lane.MAIL, post, attempts=80),
    "domain-age": Kind(Lane.LONG, _look_up_age, _record_age),
    "address": Kind(Lane.LONG, _look_up_address, _record_addresses),
    ADDRESSES: Kind(Lane.LONG, _look_up_addresses, _record_addresses),
    DAILY: Kind(Lane.LONG, lambda office, _task: run_daily(office)),
}
