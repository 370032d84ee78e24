from __future__ import annotations

import datetime
import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from countersign.registrar.jobs.keeper import LeaseKeeper
from countersign.registrar.jobs.kinds import GiveUpError, Kind, Lane, TryLaterError
from countersign.registrar.jobs.performing import perform
from countersign.registrar.jobs.queue import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LostLeaseError,
    Task,
    claim,
    counts,
    finish,
    hold,
    holders,
    pause_after,
    release,
    remove_old,
    renew,
    retry,
    try_later,
)
from countersign.registrar.operations.office import (
    ConflictError,
    NotFoundError,
    Office,
    OperationError,
    Work,
)
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.publication import Fact
from tests.registrar.conftest import Clock

LEASE = datetime.timedelta(seconds=60)


def order(office: Office, kind: str = "note", **payload: Any) -> None:
    with office.work() as work:
        work.order(kind, payload)


def take(office: Office, worker: str = "a", *, kind: str = "note") -> Task:
    task = claim(office, worker, [kind], LEASE)
    assert task is not None
    return task


def job_of(office: Office, task: Task) -> Job:
    with office.reading() as work:
        job = work.session.get(Job, task.id)
        assert job is not None
        return job


def note(work: Work, task: Task, result: Any) -> None:
    """Store something that would be seen twice if it were done twice."""
    work.session.add(Fact(name=f"job {task.id}", value={"result": result}))


def facts(office: Office) -> list[str]:
    with office.reading() as work:
        return list(work.session.scalars(select(Fact.name)))


def run(office: Office, task: Task, **kind: Any) -> str:
    settings = {"lane": Lane.PROMPT, "conclude": note, **kind}
    return perform(office, {"note": Kind(**settings)}, LeaseKeeper(office), task)


def test_a_job_is_there_if_and_only_if_its_transaction_commits(office: Office) -> None:
    with pytest.raises(RuntimeError), office.work() as work:
        work.order("note", {})
        work.session.flush()
        raise RuntimeError
    assert claim(office, "a", ["note"], LEASE) is None
    order(office, key=7)
    assert take(office).payload == {"key": 7}


def test_a_job_is_claimed_by_one_worker_only(office: Office) -> None:
    order(office)
    take(office, "a")
    assert claim(office, "b", ["note"], LEASE) is None


def test_the_job_due_longest_comes_first_and_none_comes_early(office: Office, clock: Clock) -> None:
    with office.work() as work:
        work.order("note", {"n": 3}, run_at=clock.now + datetime.timedelta(hours=1))
        work.order("note", {"n": 2})
        work.order("note", {"n": 1}, run_at=clock.now - datetime.timedelta(hours=1))
    assert [take(office).payload["n"] for _ in range(2)] == [1, 2]
    assert claim(office, "a", ["note"], LEASE) is None
    clock.advance(hours=1)
    assert claim(office, "b", ["note"], datetime.timedelta(hours=2)) is not None


def test_a_worker_takes_only_what_it_can_do(office: Office) -> None:
    order(office, "of-a-later-version")
    assert claim(office, "a", ["note", "mail"], LEASE) is None


def test_the_effects_and_the_end_of_a_job_are_one_transaction(office: Office) -> None:
    order(office)
    task = take(office)

    def crash(work: Work, task: Task, result: Any) -> None:
        note(work, task, result)
        work.session.flush()
        raise MemoryError

    assert run(office, task, conclude=crash) == "later"
    assert facts(office) == []
    assert job_of(office, task).state is JobState.WAITING


def test_a_job_that_is_done_is_not_done_again(office: Office, clock: Clock) -> None:
    order(office)
    task = take(office)
    assert run(office, task) == "done"
    clock.advance(days=1)
    assert claim(office, "a", ["note"], LEASE) is None
    assert run(office, task) == "lost"
    assert facts(office) == [f"job {task.id}"]


def test_a_worker_that_lost_its_lease_stores_nothing(office: Office, clock: Clock) -> None:
    order(office)
    first = take(office, "a")
    clock.advance(seconds=61)
    second = take(office, "b")
    assert second.id == first.id
    assert second.attempts == 2
    assert run(office, first) == "lost"
    assert facts(office) == []
    assert run(office, second) == "done"
    with pytest.raises(LostLeaseError):
        try_later(office, first, "too late", 1)


def test_a_lease_that_is_renewed_is_not_lost(office: Office, clock: Clock) -> None:
    order(office)
    task = take(office, "a")
    clock.advance(seconds=40)
    renew(office, [task], LEASE)
    clock.advance(seconds=40)
    assert claim(office, "b", ["note"], LEASE) is None
    clock.advance(seconds=21)
    assert claim(office, "b", ["note"], LEASE) is not None
    renew(office, [task], LEASE)
    assert job_of(office, task).worker == "b"


def test_a_long_act_keeps_its_job(office: Office) -> None:
    office = replace(
        office,
        config=office.config.model_copy(update={"lease_seconds": 0.3}),
        clock=lambda: datetime.datetime.now(datetime.UTC),
    )
    order(office)
    keeper = LeaseKeeper(office)
    keeper.start()
    task = claim(office, "a", ["note"], keeper.lease)
    assert task is not None
    renewals = 0

    def act(office: Office, task: Task) -> int:
        nonlocal renewals
        seen = {job_of(office, task).run_at}
        while len(seen) < 5:
            seen.add(job_of(office, task).run_at)
            threading.Event().wait(0.02)
        renewals = len(seen)
        return renewals

    kind = Kind(Lane.LONG, act, note)
    assert perform(office, {"note": kind}, keeper, task) == "done"
    keeper.stop()
    assert renewals == 5


def test_what_failed_is_tried_again_later_each_time_after_a_longer_pause(
    office: Office, clock: Clock
) -> None:
    order(office)
    pauses = []
    for _ in range(3):
        task = take(office)

        def fail(office: Office, task: Task) -> None:
            raise OSError("connect to secret@example.org")

        assert run(office, task, act=fail) == "later"
        job = job_of(office, task)
        assert "secret" not in job.error
        assert job.error.startswith("OSError at ")
        pauses.append((job.run_at - clock.now).total_seconds())
        clock.now = job.run_at
    for count, pause in enumerate(pauses):
        assert FIRST_PAUSE * 2**count / 2 <= pause <= FIRST_PAUSE * 2**count
    assert run(office, take(office)) == "done"
    assert facts(office)


def test_pauses_grow_to_a_bound() -> None:
    assert all(pause_after(attempts) <= LONGEST_PAUSE for attempts in range(1, 2000))
    assert pause_after(2000) >= LONGEST_PAUSE / 2


def test_a_job_may_say_how_long_to_wait(office: Office, clock: Clock) -> None:
    order(office)
    task = take(office)

    def act(office: Office, task: Task) -> None:
        raise TryLaterError("asked to wait", 90)

    run(office, task, act=act)
    job = job_of(office, task)
    assert (job.run_at - clock.now).total_seconds() == 90
    assert job.error == "asked to wait"


def test_after_so_many_attempts_a_job_is_given_up(office: Office, clock: Clock) -> None:
    order(office)
    ends = []
    for _ in range(3):
        task = take(office)

        def fail(office: Office, task: Task) -> None:
            raise OperationError("The registry is closed.")

        ends.append(run(office, task, act=fail, attempts=3))
        clock.advance(days=1)
    assert ends == ["later", "later", "failed"]
    job = job_of(office, task)
    assert (job.state, job.error) == (JobState.FAILED, "The registry is closed.")
    assert claim(office, "a", ["note"], LEASE) is None
    with office.reading() as work:
        assert counts(work)["failed"] == 1


def test_a_job_that_kills_its_worker_is_given_up_too(office: Office, clock: Clock) -> None:
    order(office)
    for _ in range(3):
        take(office)
        clock.advance(seconds=61)
    assert run(office, take(office), attempts=3) == "failed"
    assert facts(office) == []


def test_what_will_never_go_well_is_given_up_at_once(office: Office) -> None:
    order(office)
    task = take(office)

    def act(office: Office, task: Task) -> None:
        raise GiveUpError("no such mailbox")

    assert run(office, task, act=act) == "failed"
    assert job_of(office, task).error == "no such mailbox"


def test_transactions_that_meet_are_made_again_at_once(office: Office) -> None:
    order(office)
    left = [ConflictError("met"), ConflictError("met"), None]

    def conclude(work: Work, task: Task, result: Any) -> None:
        note(work, task, result)
        work.session.flush()
        if error := left.pop(0):
            raise error

    assert run(office, take(office), conclude=conclude) == "done"
    assert len(facts(office)) == 1


def test_a_failed_job_can_be_ordered_again(office: Office) -> None:
    order(office)
    task = take(office)
    run(office, task, conclude=lambda *_: 1 / 0, attempts=1)
    with office.work() as work:
        retry(work, task.id)
    assert run(office, take(office)) == "done"
    with office.work() as work, pytest.raises(NotFoundError):
        retry(work, task.id)


def test_a_job_that_somebody_is_at_is_left_to_him(office: Office) -> None:
    order(office)
    task = take(office)
    with office.work() as work:
        retry(work, task.id)
    assert run(office, task) == "done"


def test_the_jobs_of_the_dead_can_be_freed_at_once(office: Office) -> None:
    order(office)
    order(office)
    take(office, "dead")
    take(office, "alive")
    with office.reading() as work:
        assert sorted(holders(work)) == ["alive", "dead"]
    assert release(office, ["dead"]) == 1
    assert take(office, "alive").attempts == 2


def test_jobs_done_long_ago_are_removed_and_no_others(office: Office, clock: Clock) -> None:
    for _ in range(3):
        order(office)
    done, failed = take(office), take(office)
    run(office, done)
    run(office, failed, attempts=1, conclude=lambda *_: 1 / 0)
    clock.advance(days=31)
    with office.work() as work:
        assert remove_old(work) == 1
        assert remove_old(work) == 0
        left = {job.state for job in work.session.scalars(select(Job))}
    assert left == {JobState.FAILED, JobState.WAITING}


def test_counts_tell_due_later_running_and_failed(office: Office, clock: Clock) -> None:
    for _ in range(3):
        order(office)
    with office.work() as work:
        work.order("note", {}, run_at=clock.now + LEASE)
    take(office)
    with office.reading() as work:
        assert counts(work) == {"due": 2, "later": 1, "running": 1, "failed": 0}


def test_many_workers_at_once_do_each_job_once(office: Office) -> None:
    total = 60
    with office.work() as work:
        for number in range(total):
            work.order("note", {"n": number})
    ends: list[str] = []

    def work_on(name: str) -> None:
        while (task := claim(office, name, ["note"], LEASE)) is not None:
            ends.append(run(office, task))

    threads = [threading.Thread(target=work_on, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["done"] * total
    assert len(set(facts(office))) == total


def test_only_the_holder_may_end_a_job(office: Office) -> None:
    order(office)
    task = take(office)
    with pytest.raises(LostLeaseError), office.work() as work:
        finish(work, hold(work, replace(task, worker="somebody else")))
