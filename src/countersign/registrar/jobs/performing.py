"""Do one job: the act outside any transaction, then the transaction that stores it and ends it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from typing import Any

import structlog

from countersign.registrar.jobs.keeper import LeaseKeeper
from countersign.registrar.jobs.kinds import GiveUpError, JobError, Kind, TryLaterError
from countersign.registrar.jobs.queue import (
    LostLeaseError,
    Task,
    finish,
    give_up,
    hold,
    pause_after,
    try_later,
)
from countersign.registrar.operations.office import ConflictError, Office, OperationError

log = structlog.get_logger()

_CONFLICTS = 5
"""How often a transaction that met another one is made again at once."""


def perform(office: Office, kinds: Mapping[str, Kind], keeper: LeaseKeeper, task: Task) -> str:
    """Do a claimed job and return how it ended: done, lost, later, failed."""
    kind = kinds[task.kind]
    if task.attempts > kind.attempts:
        return _end_badly(office, task, "its worker died, or lost it, each time", give_up_now=True)
    begin = time.monotonic()
    try:
        _do(office, kind, keeper, task)
    except LostLeaseError:
        log.warning("job was taken over", job=task.id, kind=task.kind)
        return "lost"
    except GiveUpError as error:
        return _end_badly(office, task, str(error), give_up_now=True)
    except Exception as error:
        seconds = error.seconds if isinstance(error, TryLaterError) else None
        last = task.attempts >= kind.attempts
        return _end_badly(office, task, _describe(error), give_up_now=last, seconds=seconds)
    log.debug("job done", job=task.id, kind=task.kind, seconds=round(time.monotonic() - begin, 3))
    return "done"


def _do(office: Office, kind: Kind, keeper: LeaseKeeper, task: Task) -> None:
    result: Any = None
    if kind.act is not None:
        with keeper.keeping(task):
            result = kind.act(office, task)
    for left in reversed(range(_CONFLICTS)):
        try:
            _conclude(office, kind, task, result)
        except ConflictError:
            if not left:
                raise
        else:
            return


def _conclude(office: Office, kind: Kind, task: Task, result: Any) -> None:
    with office.work() as work:
        job = hold(work, task)
        if kind.conclude is not None:
            kind.conclude(work, task, result)
        finish(work, job)


def _end_badly(
    office: Office, task: Task, reason: str, *, give_up_now: bool, seconds: float | None = None
) -> str:
    facts = {"job": task.id, "kind": task.kind, "attempts": task.attempts, "reason": reason}
    try:
        if give_up_now:
            give_up(office, task, reason)
            log.error("job given up: a person must look", **facts)
            return "failed"
        pause = pause_after(task.attempts) if seconds is None else seconds
        try_later(office, task, reason, pause)
        log.warning("job will be tried again", **facts, seconds=round(pause, 1))
    except LostLeaseError:
        return "lost"
    except Exception as error:
        # The lease runs out by itself: then the job is tried again.
        log.error("job could not be given back", **facts, trouble=_describe(error))
    return "later"


def _describe(error: BaseException) -> str:
    """Say what went wrong without what it was done to: a driver's text may quote personal data."""
    if isinstance(error, JobError | OperationError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "countersign" in frame.filename] or list(frames)
    place = f" at {ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"
