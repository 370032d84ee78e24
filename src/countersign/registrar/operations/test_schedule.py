"""Registered servers are tested again and again, at times that nobody knows before (DESIGN §8)."""

from __future__ import annotations

import datetime
import random

from sqlalchemy import select, update

from countersign.registrar.operations.certifications import order_test
from countersign.registrar.operations.office import Office, Work
from countersign.registrar.operations.test_results import open_run
from countersign.storage.database.servers import IS_ACTIVE, Server

_AT_ONCE = 500
_DAY = 86_400
_lots = random.SystemRandom()


def order_due_tests(office: Office) -> int:
    """Order the tests that are due today, and set the time of the next; return how many.

    Each is made at some time of the day. Servers that have no time yet are given one.
    """
    if not office.config.certification.interval_days:
        return 0
    while _set_first_times(office):
        pass
    total = 0
    while ordered := _order_some(office):
        total += ordered
    return total


def _set_first_times(office: Office) -> int:
    with office.work() as work:
        without = select(Server.id).where(IS_ACTIVE, Server.next_test_at.is_(None))
        keys = work.session.scalars(without.order_by(Server.id).limit(_AT_ONCE)).all()
        for key in keys:
            _set_next(work, key)
        return len(keys)


def _order_some(office: Office) -> int:
    with office.work() as work:
        due = work.session.scalars(
            select(Server)
            .where(IS_ACTIVE, Server.next_test_at <= work.now)
            .order_by(Server.next_test_at, Server.id)
            .limit(_AT_ONCE)
            .with_for_update(key_share=True, skip_locked=True)
        ).all()
        for server in due:
            if open_run(work, server) is None:
                within_a_day = datetime.timedelta(seconds=_lots.uniform(0, _DAY))
                order_test(work, server, "schedule", run_at=work.now + within_a_day)
            _set_next(work, server.id)
        return len(due)


def _set_next(work: Work, server_id: int) -> None:
    days = work.config.certification.interval_days * _lots.uniform(0.5, 1.5)
    # Not by the model: its version counts what people change.
    work.session.execute(
        update(Server.__table__)  # type: ignore[arg-type]
        .where(Server.__table__.c.id == server_id)
        .values(next_test_at=work.now + datetime.timedelta(days=days))
    )
