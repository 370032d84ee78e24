"""Screenings of applicants against known offenders, and a screener's decisions (DESIGN §6).

Nobody is denied by a likeness: only the identity number of somebody who is barred does that.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from countersign.registrar.operations.access import refuse_own_cause
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.dossier import load
from countersign.registrar.operations.likeness import Likeness, describe, find_likenesses
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import SYSTEM, Actor, Office, OperationError, Work
from countersign.registrar.operations.transitions import add_event, check_version, move
from countersign.registrar.queries.paging import Page, after, bounded, page_of, read_cursor
from countersign.rules.life_cycle import Action, State
from countersign.rules.screening import Verdict, judge
from countersign.storage.database.screening import DomainAgeRecord, ScreeningRecord
from countersign.storage.database.servers import Server

DENIED = (
    "The application cannot be accepted, because of a registered offence. If you think that this "
    "is a mistake, write to the registrar."
)
"""What an applicant is told who is barred: nothing of the offender's record."""
_DECISIONS = {
    Verdict.CLEAN: Action.CLEAR,
    Verdict.MULTIPLY: Action.CLEAR,
    Verdict.DENY: Action.DENY,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An application in the screeners' queue."""

    server: Server
    record: ScreeningRecord | None
    """None: the comparison is still being made."""
    age: DomainAgeRecord | None
    waiting: datetime.timedelta


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found when an application was compared with the offenders."""

    submitted_at: datetime.datetime
    likenesses: tuple[Likeness, ...]


def compare_with_offenders(office: Office, server_id: int) -> Comparison | None:
    """Compare an application with all offenders, in a view that keeps nobody waiting.

    None: it does not wait for a screening any more.
    """
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        if server.state is not State.SUBMITTED:
            return None
        return _compare(work, server)


def _compare(work: Work, server: Server) -> Comparison:
    found = find_likenesses(work, load(work, server.id))
    return Comparison(server.state_since, tuple(found))


def record_comparison(
    work: Work, server: Server, comparison: Comparison | None
) -> ScreeningRecord | None:
    """Store what was found, deny who is barred, and order the look-up of the domain's age.

    Does nothing if the application was returned or decided in the meantime, or if this has been
    done: the job may be done twice.
    """
    hold(work, server)
    if (
        comparison is None
        or server.state is not State.SUBMITTED
        or server.state_since != comparison.submitted_at
        or present_record(work, server) is not None
    ):
        return None
    screening = judge(
        (likeness.match for likeness in comparison.likenesses),
        work.config.screening.thresholds(),
    )
    record = ScreeningRecord(
        server_id=server.id,
        at=work.now,
        verdict=screening.verdict,
        matches=describe(comparison.likenesses, work.config.screening.review_score),
    )
    work.session.add(record)
    work.session.flush()
    details = {"screening": record.id, "verdict": str(record.verdict)}
    add_event(work, server, Deed.SCREENED, SYSTEM, details=details)
    if record.verdict is Verdict.DENY:
        _settle(work, record, SYSTEM, Verdict.DENY, DENIED)
        move(work, server, Action.DENY, SYSTEM, reason=DENIED, details={"screening": record.id})
        return record
    work.order("domain-age", {"server": server.id}, unique_key=f"domain-age:{record.id}")
    clear_if_automatic(work, server)
    return record


def present_record(work: Work, server: Server) -> ScreeningRecord | None:
    """Return the screening of an application since it was last submitted."""
    record = latest_record(work, server)
    submitted = server.submitted_at
    return record if record and submitted and record.at >= submitted else None


def latest_record(work: Work, server: Server) -> ScreeningRecord | None:
    """Return the last screening of a server; None: there was none."""
    return work.session.scalar(
        select(ScreeningRecord)
        .where(ScreeningRecord.server_id == server.id)
        .order_by(ScreeningRecord.id.desc())
        .limit(1)
    )


def latest_age(work: Work, server: Server) -> DomainAgeRecord | None:
    """Return what was last found out about the age of a server's domain."""
    return work.session.scalar(
        select(DomainAgeRecord)
        .where(DomainAgeRecord.server_id == server.id)
        .order_by(DomainAgeRecord.id.desc())
        .limit(1)
    )


def clear_if_automatic(work: Work, server: Server) -> bool:
    """Clear an application without a screener, where the configuration says so.

    Only if nothing at all was found, and the domain's age has been asked for: an unknown age
    asks for a bond. Tells whether it was cleared.
    """
    record = present_record(work, server)
    if (
        not work.config.screening.automatic
        or server.state is not State.SUBMITTED
        or record is None
        or record.decision is not None
        or record.verdict is not Verdict.CLEAN
        or latest_age(work, server) is None
    ):
        return False
    _settle(work, record, SYSTEM, Verdict.CLEAN, "")
    work.session.flush()
    move(work, server, Action.CLEAR, SYSTEM, details={"screening": record.id})
    return True


def decide(
    work: Work,
    actor: Actor,
    server: Server,
    verdict: Verdict,
    *,
    reason: str,
    seen_version: int | None,
) -> None:
    """Store a screener's decision and do what follows from it.

    reason: for the applicant where he is denied; needed too where the decision is not what the
    comparison found. Of two who decide at once one gets a :class:`ConflictError`.
    """
    hold(work, server)
    refuse_own_cause(actor, server)
    check_version(server, seen_version)
    action = _DECISIONS.get(verdict)
    if action is None:
        raise OperationError("Decide: clear, clear with a larger bond, or deny.")
    record = present_record(work, server)
    if record is None:
        raise OperationError("The comparison with known offenders is not finished: wait for it.")
    if not reason.strip() and verdict is not record.verdict:
        raise OperationError("Say why: your decision is not what the comparison found.")
    if verdict is Verdict.MULTIPLY and not record.matches:
        raise OperationError("There is no match that the bond could be raised for.")
    if server.state is State.SUBMITTED or verdict is Verdict.DENY:
        _settle(work, record, actor, verdict, reason)
    server.matched_offender = verdict is Verdict.MULTIPLY
    details = {"screening": record.id, "decision": str(verdict)}
    told = reason if verdict is Verdict.DENY else ""
    move(work, server, action, actor, reason=told, details=details)


def _settle(
    work: Work, record: ScreeningRecord, actor: Actor, verdict: Verdict, reason: str
) -> None:
    record.decision, record.decided_by = verdict, actor.account_id
    record.decided_at, record.reason = work.now, reason[:1000]
    work.session.flush()


def queue(work: Work, *, cursor: str | None = None, limit: int = 30) -> Page[Waiting]:
    """Return the applications that wait for a screener, the longest waiting first."""
    columns = [Server.state_since, Server.id]
    statement = select(Server).where(Server.state == State.SUBMITTED).order_by(*columns)
    if cursor is not None:
        since, server_id = read_cursor(cursor, [str, int])
        key = (_moment(since), server_id)
        statement = statement.where(after(columns, key))
    servers = work.session.scalars(bounded(statement, limit)).all()
    page = page_of(servers, limit, lambda one: [one.state_since.isoformat(), one.id])
    records = _latest_of(work, ScreeningRecord, page.rows)
    ages = _latest_of(work, DomainAgeRecord, page.rows)
    rows = [
        Waiting(one, _since(records.get(one.id), one), ages.get(one.id), work.now - one.state_since)
        for one in page.rows
    ]
    return Page(rows, page.next)


def _moment(text: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise OperationError("That page address is not one of ours.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _since(record: Any, server: Server) -> Any:
    submitted = server.submitted_at
    return record if record and submitted and record.at >= submitted else None


def _latest_of(work: Work, model: Any, servers: Sequence[Server]) -> dict[int, Any]:
    newest = (
        select(func.max(model.id))
        .where(model.server_id.in_([server.id for server in servers]))
        .group_by(model.server_id)
    )
    rows = work.session.scalars(select(model).where(model.id.in_(newest)))
    return {row.server_id: row for row in rows}
