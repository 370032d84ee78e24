"""Background work: what waits, what was given up; administrators may order it again."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.jobs import queue
from countersign.registrar.queries import queues
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.jobs import JobState

pages = Pages()

_LIST = "/staff/jobs"
_SHOWN = {"failed": JobState.FAILED, "waiting": JobState.WAITING}


@pages.get(_LIST, allow=staff(Permission.SEE_JOBS))
def show_list(visit: Visit) -> Response:
    """Show what was given up, or what waits."""
    name = visit.query.text("list", 10)
    state = _SHOWN.get(name, JobState.FAILED)
    with visit.reading() as work:
        page = queues.jobs(work, state, cursor=visit.query.text("after", 1000) or None)
        counts = queues.job_counts(work)
    return visit.render("staff/jobs.html", page=page, state=state, counts=counts)


@pages.post(_LIST + "/{job:key}/retry", allow=staff(Permission.RETRY_JOBS))
def retry(visit: Visit, job: int) -> Response:
    """Order a job again, or a waiting one at once."""
    with visit.work() as work:
        found = queue.retry(work, job)
        work.record(visit.actor(Permission.RETRY_JOBS), "job retried", f"job:{job}")
        kind = found.kind
    visit.flash(f"Job {job} ({kind}) has been ordered again.")
    return visit.redirect(_LIST)
