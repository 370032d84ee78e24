"""Orders what is done every day: of many workers one does it, by the day's own key."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from countersign.registrar.operations.office import Office
from countersign.storage.database.jobs import Job

DAILY = "daily"


def order_daily(office: Office) -> bool:
    """Order today's work, if nobody has yet; tells whether this call did."""
    day = office.clock().date()
    key = f"{DAILY}:{day}"
    with office.reading() as work:
        if work.session.scalar(select(Job.id).where(Job.unique_key == key)) is not None:
            return False
    try:
        with office.work() as work:
            work.order(DAILY, {"day": day.isoformat()}, unique_key=key)
    except IntegrityError:
        # Another worker was first.
        return False
    return True
