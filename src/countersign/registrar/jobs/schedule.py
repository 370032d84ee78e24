"""Orders what is done again and again: of many workers one does it, by the time's own key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from countersign.registrar.operations.office import Office
from countersign.storage.database.jobs import Job, JobState

DAILY = "daily"
ADDRESSES = "addresses"


def order_daily(office: Office) -> bool:
    """Order today's work, if nobody has yet; tells whether this call did."""
    day = office.clock().date()
    return _order_once(office, DAILY, {"day": day.isoformat()}, f"{DAILY}:{day}")


def address_round(office: Office) -> int:
    """Return the number of the present round of looking addresses up; each has its own."""
    return int(office.clock().timestamp() / 60 / office.config.publication.resolve_minutes)


def order_addresses(office: Office) -> bool:
    """Order that all addresses be looked up in this round, if nobody has; tells as above.

    A round that has not come to its end yet goes on in the place of the next one.
    """
    with office.reading() as work:
        going_on = select(Job.id).where(Job.kind == ADDRESSES, Job.state == JobState.WAITING)
        if work.session.scalar(going_on.limit(1)) is not None:
            return False
    minutes = office.config.publication.resolve_minutes
    key = f"{ADDRESSES}:{minutes}:{address_round(office)}"
    return _order_once(office, ADDRESSES, {"after": 0}, key)


def _order_once(office: Office, kind: str, payload: dict[str, Any], key: str) -> bool:
    with office.reading() as work:
        if work.session.scalar(select(Job.id).where(Job.unique_key == key)) is not None:
            return False
    try:
        with office.work() as work:
            work.order(kind, payload, unique_key=key)
    except IntegrityError:
        # Another worker was first.
        return False
    return True
