"""What waits for whoever has signed in, by role: the staff's first page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from countersign.registrar.operations.office import Work
from countersign.registrar.queries import queues, secondaries
from countersign.registrar.queries.queues import Queue
from countersign.registrar.web.access import roles
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.roles import STAFF

pages = Pages()


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    url: str
    permission: Permission
    read: Callable[[Work, int], Queue]
    nothing: str


_KINDS = (
    _Kind(
        "Applications to screen",
        "/staff/screening",
        Permission.SCREEN,
        lambda work, _me: queues.applications(work),
        "No application waits.",
    ),
    _Kind(
        "Cleared, test not passed",
        "/staff/screening?list=cleared",
        Permission.SCREEN,
        lambda work, _me: queues.cleared(work),
        "All that were cleared have passed the test.",
    ),
    _Kind(
        "Forfeitures to decide",
        "/staff/cases",
        Permission.CONFIRM_FORFEITURE,
        queues.forfeitures,
        "No forfeiture is proposed.",
    ),
    _Kind(
        "Deregistrations to decide",
        "/staff/cases/deregistrations",
        Permission.ADJUDICATE,
        queues.deregistrations,
        "No server is to be struck off.",
    ),
    _Kind(
        "Suspensions with something to be done",
        "/staff/cases/suspensions",
        Permission.ADJUDICATE,
        lambda work, _me: queues.suspensions(work),
        "Nothing is asked of a suspended server.",
    ),
    _Kind(
        "Payments to allocate",
        "/staff/payments",
        Permission.MOVE_MONEY,
        lambda work, _me: queues.unallocated(work),
        "All payments are allocated.",
    ),
    _Kind(
        "Debits to explain",
        "/staff/payments/debits",
        Permission.MOVE_MONEY,
        lambda work, _me: queues.debits(work),
        "All debits are known.",
    ),
    _Kind(
        "Refunds to pay out",
        "/staff/payments/payouts",
        Permission.MOVE_MONEY,
        lambda work, _me: queues.refunds(work),
        "Nothing is due.",
    ),
    _Kind(
        "Requests to become an agent",
        "/staff/accreditations",
        Permission.ACCREDIT,
        lambda work, _me: queues.agents(work),
        "Nobody asks.",
    ),
    _Kind(
        "Background work that was given up",
        "/staff/jobs",
        Permission.SEE_JOBS,
        lambda work, _me: queues.failed_jobs(work),
        "Everything was done.",
    ),
    _Kind(
        "Secondaries in trouble",
        "/staff/secondaries",
        Permission.SEE_SECONDARIES,
        lambda work, _me: secondaries.in_trouble(work),
        "All are well.",
    ),
)


@pages.get("/staff", allow=roles(*STAFF))
def show_home(visit: Visit) -> Response:
    """Show what waits, the oldest first."""
    with visit.reading() as work:
        found = [
            (kind, kind.read(work, visit.me.account_id))
            for kind in _KINDS
            if visit.may(kind.permission)
        ]
    return visit.render("staff/home.html", queues=found, most=queues.MOST)
