"""What waits for the registrar's people: how much, since when, and what first (DESIGN §6).

No count goes beyond MOST: a page need not know whether ten thousand or a million wait.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations import bank_debits, payments, payouts
from countersign.registrar.operations.deregistration import deregistration_proposals
from countersign.registrar.operations.office import Work
from countersign.registrar.queries import cases, staff_servers, timelines
from countersign.registrar.queries.paging import Page, after, bounded, page_of, read_cursor
from countersign.registrar.queries.staff_servers import moment_of
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import Account, Accreditation, AccreditationState
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.money import (
    BankDebit,
    DebitState,
    LedgerAccount,
    Payment,
    Purpose,
)
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.servers import Server

MOST = 1000
_FIRST = 5


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits."""

    title: str
    note: str
    since: datetime.date
    """A moment, or a day."""
    url: str


@dataclass(frozen=True, slots=True)
class Queue:
    """One list of things that wait."""

    number: int
    """At most MOST + 1: then there are more."""
    items: list[Item]
    """The first few, the oldest in front."""


def _count(work: Work, statement: Select[Any]) -> int:
    inner = statement.limit(MOST + 1).subquery()
    return int(work.session.scalar(select(func.count()).select_from(inner)) or 0)


def applications(work: Work) -> Queue:
    """Return the applications that wait for a screener."""
    waiting = select(Server.id).where(Server.state == State.SUBMITTED)
    rows = staff_servers.in_state(work, State.SUBMITTED, limit=_FIRST).rows
    items = [
        Item(one.hostname, str(one.kind), one.state_since, f"/staff/screening/{one.id}")
        for one in rows
    ]
    return Queue(_count(work, waiting), items)


def cleared(work: Work) -> Queue:
    """Return the applications that were cleared and whose relay test has not been passed."""
    waiting = select(Server.id).where(Server.state == State.SCREENED)
    rows = staff_servers.in_state(work, State.SCREENED, limit=_FIRST).rows
    items = [
        Item(one.hostname, str(one.kind), one.state_since, f"/staff/screening/{one.id}")
        for one in rows
    ]
    return Queue(_count(work, waiting), items)


def forfeitures(work: Work, account_id: int) -> Queue:
    """Return the forfeitures that wait for a decision. account_id: who looks."""
    waiting = select(Forfeiture.id).where(Forfeiture.state == ForfeitureState.PROPOSED)
    items = []
    for one in cases.forfeitures(work, limit=_FIRST).rows:
        found = one.forfeiture
        note = "there is a reply" if found.replied_at else "no reply yet"
        if found.reply_until <= work.now:
            note = "the time to reply has passed"
        if found.proposed_by == account_id:
            note += "; proposed by you: a second person decides"
        url = f"/staff/servers/{one.server.id}/forfeitures/{found.id}"
        items.append(Item(one.server.hostname, note, found.proposed_at, url))
    return Queue(_count(work, waiting), items)


def deregistrations(work: Work, account_id: int) -> Queue:
    """Return the proposals to strike a server off. account_id: who looks."""
    events = deregistration_proposals(work, limit=MOST + 1)
    names = timelines.names_of(work, [event.account_id for event in events[:_FIRST]])
    items = []
    for event in events[:_FIRST]:
        server = work.session.get_one(Server, event.server_id)
        by = names.get(event.account_id or 0, "")
        note = "proposed by you" if event.account_id == account_id else f"proposed by {by}"
        url = f"/staff/servers/{server.id}/deregistration"
        items.append(Item(server.hostname, note, event.at, url))
    return Queue(len(events), items)


def suspensions(work: Work) -> Queue:
    """Return the suspended servers of which something is still asked."""
    waiting = select(Server.id).where(
        Server.state == State.SUSPENDED, Server.remedy_done_at.is_(None)
    )
    items = [
        Item(one.hostname, one.remedy[:80], one.state_since, f"/staff/servers/{one.id}")
        for one in cases.suspensions(work, open_only=True, limit=_FIRST).rows
    ]
    return Queue(_count(work, waiting), items)


def unallocated(work: Work) -> Queue:
    """Return the payments of which something is not allocated."""
    waiting = select(Payment.id).where(Payment.allocated < Payment.amount)
    items = [
        Item(
            format_amount(one.amount - one.allocated, one.currency),
            f"payment {one.id}, by {one.source}",
            one.received_on,
            f"/staff/payments/{one.id}",
        )
        for one in payments.unallocated(work, limit=_FIRST)
    ]
    return Queue(_count(work, waiting), items)


def debits(work: Work) -> Queue:
    """Return the debits on bank statements that nobody knows yet."""
    waiting = select(BankDebit.id).where(BankDebit.state == DebitState.OPEN)
    items = [
        Item(
            format_amount(one.amount, one.currency),
            f"debit {one.id}: {one.note[:80]}",
            one.booked_on,
            f"/staff/payments/debits/{one.id}",
        )
        for one in bank_debits.open_debits(work, limit=_FIRST)
    ]
    return Queue(_count(work, waiting), items)


def refunds(work: Work) -> Queue:
    """Return what is to be paid out to owners."""
    waiting = select(LedgerAccount.id).where(
        LedgerAccount.purpose == Purpose.REFUND_DUE, LedgerAccount.balance > 0
    )
    items = [
        Item(
            one.server.hostname,
            format_amount(one.amount, one.currency),
            one.server.state_since,
            f"/staff/payments/payouts/{one.account_id}",
        )
        for one in payouts.due(work, limit=_FIRST)
    ]
    return Queue(_count(work, waiting), items)


def agents(work: Work) -> Queue:
    """Return the requests to become an agent."""
    asked = Accreditation.state == AccreditationState.ASKED
    rows = work.session.execute(
        select(Accreditation, Account.name)
        .join(Account, Account.id == Accreditation.account_id)
        .where(asked)
        .order_by(Accreditation.id)
        .limit(_FIRST)
    )
    items = [
        Item(one.organisation, name, one.asked_at, "/staff/accreditations") for one, name in rows
    ]
    return Queue(_count(work, select(Accreditation.id).where(asked)), items)


def failed_jobs(work: Work) -> Queue:
    """Return the background work that was given up."""
    waiting = select(Job.id).where(Job.state == JobState.FAILED)
    items = [
        Item(f"{one.kind}, job {one.id}", one.error[:80], one.created_at, "/staff/jobs")
        for one in jobs(work, JobState.FAILED, limit=_FIRST).rows
    ]
    return Queue(_count(work, waiting), items)


def jobs(work: Work, state: JobState, *, cursor: str | None = None, limit: int = 50) -> Page[Job]:
    """Return the jobs in a state, those first that are due first."""
    columns = [Job.run_at, Job.id]
    statement = select(Job).where(Job.state == state).order_by(*columns)
    if cursor is not None:
        run_at, key = read_cursor(cursor, [str, int])
        statement = statement.where(after(columns, (moment_of(run_at), key)))
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.run_at.isoformat(), one.id])


def job_counts(work: Work) -> dict[str, int]:
    """Return how much work is due, comes later, and was given up; each at most MOST + 1."""
    waiting = Job.state == JobState.WAITING
    return {
        "due": _count(work, select(Job.id).where(waiting, Job.run_at <= work.now)),
        "later": _count(work, select(Job.id).where(waiting, Job.run_at > work.now)),
        "failed": _count(work, select(Job.id).where(Job.state == JobState.FAILED)),
    }
