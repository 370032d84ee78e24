"""The outbox as a queue: jobs claimed under a lease, done once, tried again, given up (DESIGN §6).

A claim is a lease: whoever claims a job writes his name on it and the moment until which he
holds it. A worker that dies loses the lease by the clock. The transaction that stores a job's
effects marks it done, and asks first whether the job is still the worker's own: so of two
workers that hold a job one after the other, only one can store anything.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, select, update

from countersign.registrar.operations.office import NotFoundError, Office, Work
from countersign.storage.database.jobs import Job, JobState

FIRST_PAUSE = 5.0
"""Seconds between the first failure and the second attempt, at most; doubled each time."""
LONGEST_PAUSE = 3600.0
KEPT = datetime.timedelta(days=30)
"""How long a job that was done is kept."""
_REMOVED_AT_ONCE = 1000


class LostLeaseError(Exception):
    """Another worker has taken the job over: nothing may be stored for it."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job that a worker has claimed."""

    id: int
    kind: str
    payload: dict[str, Any]
    created_at: datetime.datetime
    worker: str
    """Who holds it."""
    attempts: int
    """How often it has been claimed, this time included."""


def claim(
    office: Office, worker: str, kinds: Collection[str], lease: datetime.timedelta
) -> Task | None:
    """Claim the job that has been due longest; None: there is none that nobody else is at."""
    if office.database.is_sqlite and not _anything_due(office, kinds):
        # Writers queue on SQLite: an idle worker must not stand in their way.
        return None
    with office.work() as work:
        job = work.session.scalar(_due(work.now, kinds).limit(1).with_for_update(skip_locked=True))
        if job is None:
            return None
        job.worker, job.run_at = worker, work.now + lease
        job.attempts += 1
        return Task(job.id, job.kind, job.payload, job.created_at, worker, job.attempts)


def _due(now: datetime.datetime, kinds: Collection[str]) -> Select[Job]:
    return (
        select(Job)
        .where(Job.state == JobState.WAITING, Job.run_at <= now, Job.kind.in_(kinds))
        .order_by(Job.run_at, Job.id)
    )


def _anything_due(office: Office, kinds: Collection[str]) -> bool:
    with office.reading() as work:
        return work.session.scalar(_due(work.now, kinds).limit(1)) is not None


def _own(task: Task) -> ColumnElement[bool]:
    return and_(Job.id == task.id, Job.state == JobState.WAITING, Job.worker == task.worker)


def hold(work: Work, task: Task) -> Job:
    """Return a claimed job, locked until the transaction ends.

    Raises :class:`LostLeaseError` if another worker has it, or has done it.
    """
    job = work.session.scalar(select(Job).where(_own(task)).with_for_update())
    if job is None:
        raise LostLeaseError(f"job {task.id}")
    return job


def finish(work: Work, job: Job) -> None:
    """Mark a job done."""
    job.state, job.ended_at = JobState.DONE, work.now
    job.worker = job.error = ""


def pause_after(attempts: int) -> float:
    """Return how many seconds to wait before the next attempt: twice as long each time.

    By lot between half of it and all, so that what failed together is not tried together.
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 30))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret


def try_later(office: Office, task: Task, reason: str, seconds: float) -> None:
    """Give a job back to be tried again. reason: no personal data."""
    with office.work() as work:
        job = hold(work, task)
        job.run_at = work.now + datetime.timedelta(seconds=seconds)
        job.worker, job.error = "", reason[:255]


def give_up(office: Office, task: Task, reason: str) -> None:
    """Mark a job failed: a person must look. reason: no personal data."""
    with office.work() as work:
        job = hold(work, task)
        job.state, job.ended_at = JobState.FAILED, work.now
        job.worker, job.error = "", reason[:255]


def renew(office: Office, tasks: Iterable[Task], lease: datetime.timedelta) -> None:
    """Hold jobs for longer, as far as they are still the workers' own."""
    with office.work() as work:
        for task in sorted(tasks, key=lambda one: one.id):
            work.session.execute(update(Job).where(_own(task)).values(run_at=work.now + lease))


def release(office: Office, workers: Collection[str]) -> int:
    """Free the jobs of workers that are no more, at once. Returns how many there were."""
    with office.work() as work:
        result = work.session.execute(
            update(Job)
            .where(Job.state == JobState.WAITING, Job.worker.in_(workers))
            .values(worker="", run_at=work.now)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]


def holders(work: Work) -> list[str]:
    """Return the names of all workers that hold a job."""
    return list(
        work.session.scalars(
            select(Job.worker).where(Job.state == JobState.WAITING, Job.worker != "").distinct()
        )
    )


def counts(work: Work) -> dict[str, int]:
    """Return how many jobs are due, ``later``, ``running`` and ``failed``."""
    running = and_(Job.state == JobState.WAITING, Job.worker != "")
    waiting = and_(Job.state == JobState.WAITING, Job.worker == "")
    wanted: dict[str, ColumnElement[bool]] = {
        "due": and_(waiting, Job.run_at <= work.now),
        "later": and_(waiting, Job.run_at > work.now),
        "running": running,
        "failed": Job.state == JobState.FAILED,
    }
    return {
        name: work.session.scalar(select(func.count()).select_from(Job).where(condition)) or 0
        for name, condition in wanted.items()
    }


def listed(work: Work, states: Collection[JobState], limit: int = 100) -> list[Job]:
    """Return the jobs in some states, oldest first."""
    return list(
        work.session.scalars(
            select(Job).where(Job.state.in_(states)).order_by(Job.run_at, Job.id).limit(limit)
        )
    )


def retry(work: Work, job_id: int) -> Job:
    """Order a failed job again, or a waiting one at once.

    Raises :class:`NotFoundError` if there is no such job, or it is done.
    """
    job = work.session.scalar(select(Job).where(Job.id == job_id).with_for_update())
    if job is None or job.state is JobState.DONE:
        raise NotFoundError("There is no such job that is waiting or failed.")
    if job.worker and job.run_at > work.now:
        return job
    job.state, job.run_at, job.ended_at = JobState.WAITING, work.now, None
    job.attempts, job.worker = 0, ""
    return job


def remove_old(work: Work) -> int:
    """Remove some of the jobs that were done long ago; returns how many, 0 when none is left."""
    old = (
        select(Job.id)
        .where(
            Job.state == JobState.DONE, Job.run_at < work.now - KEPT, Job.ended_at < work.now - KEPT
        )
        .limit(_REMOVED_AT_ONCE)
    )
    result = work.session.execute(delete(Job).where(Job.id.in_(old)))
    return int(result.rowcount)  # type: ignore[attr-defined]
