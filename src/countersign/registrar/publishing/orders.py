"""Orders to publish: jobs of the outbox that say which names a transaction has touched.

    {"hosts": [hostname, …], "addresses": [address, …]}
    {"whole": True}

An order that was given up (after days without room on the disk, say) is answered by the next
publication that succeeds: what it asks for is in the database all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, select, update

from countersign.registrar.operations.office import Work
from countersign.storage.database.jobs import Job, JobState

PUBLISH = "publish"
SUBJECTS_AT_ONCE = 2000
"""Names and addresses of one version, about."""
_ENDED_AT_ONCE = 1000


@dataclass(slots=True)
class Orders:
    """Some orders, and what they ask for."""

    ids: list[int] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    whole: bool = False
    """Anything may have changed."""


def _waiting() -> ColumnElement[bool]:
    return and_(Job.kind == PUBLISH, Job.state.in_([JobState.WAITING, JobState.FAILED]))


def is_any_waiting(work: Work, after: int = 0) -> bool:
    """Tell whether something is to be published that was ordered behind a key."""
    return (
        work.session.scalar(select(Job.id).where(_waiting(), Job.id > after).limit(1)) is not None
    )


def collect(work: Work, after: int, own: int | None = None) -> Orders:
    """Return the first orders behind a key: as many as one version takes, one at least.

    own: the key of the order that this worker is at. An order for the whole that another is at
    is left to it; of what others are at beside that it does no harm to publish it now.
    """
    orders = Orders()
    rows = work.session.execute(
        select(Job.id, Job.payload, Job.worker)
        .where(_waiting(), Job.id > after)
        .order_by(Job.id)
        .limit(SUBJECTS_AT_ONCE)
    )
    for job, payload, worker in rows:
        # Whatever does not say what it is about may be about anything.
        is_whole = payload.get("whole", "hosts" not in payload)
        if is_whole and worker and job != own:
            continue
        orders.ids.append(job)
        orders.whole = orders.whole or is_whole
        orders.hosts.update(payload.get("hosts", ()))
        orders.addresses.update(payload.get("addresses", ()))
        if len(orders.hosts) + len(orders.addresses) >= SUBJECTS_AT_ONCE:
            break
    return orders


def all_waiting(work: Work) -> list[int]:
    """Return the keys of all orders."""
    return list(work.session.scalars(select(Job.id).where(_waiting()).order_by(Job.id)))


def end(work: Work, orders: Sequence[int]) -> None:
    """Mark orders done that are answered in this transaction.

    Those that a worker is at it ends itself: it will find that nothing is left to do.
    """
    for begin in range(0, len(orders), _ENDED_AT_ONCE):
        free = select(Job.id).where(
            Job.id.in_(orders[begin : begin + _ENDED_AT_ONCE]), _waiting(), Job.worker == ""
        )
        ids = work.session.scalars(free.order_by(Job.id).with_for_update(skip_locked=True)).all()
        work.session.execute(
            update(Job)
            .where(Job.id.in_(ids))
            .values(state=JobState.DONE, ended_at=work.now, error="")
        )
