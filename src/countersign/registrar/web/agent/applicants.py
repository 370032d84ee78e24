"""An agent's applicants: those, and nobody else's; and applications begun for owners."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registrar.operations.office import Actor
from countersign.registrar.queries.next_steps import facts_of
from countersign.registrar.queries.servers import applicants_of, count_by_state
from countersign.registrar.web.access import roles
from countersign.registrar.web.owner.next_step import next_step_of
from countersign.registrar.web.owner.servers import begin_for, render_new
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role

pages = Pages()

_AGENT = roles(Role.AGENT)
_QUEUES: dict[str, tuple[str, tuple[State, ...]]] = {
    "": ("All", ()),
    "drafts": ("Drafts", (State.DRAFT,)),
    "with-registrar": ("With the registrar", (State.SUBMITTED, State.SCREENED, State.TESTED)),
    "offered": ("Offered", (State.OFFERED,)),
    "registered": ("Registered", (State.ACTIVE,)),
    "trouble": ("In trouble", (State.SUSPENDED, State.LAPSED)),
    "ended": ("Ended", (State.DENIED, State.WITHDRAWN, State.DEREGISTERED)),
}


@pages.get("/agent", allow=_AGENT)
def show_applicants(visit: Visit) -> Response:
    """Show the applicants, by queue or by the beginning of the host name."""
    queue = visit.query.text("queue", 64)
    if queue not in _QUEUES:
        queue = ""
    host = visit.query.text("q", 255)
    with visit.reading() as work:
        counts = count_by_state(work, visit.me.account_id)
        page = applicants_of(
            work,
            visit.me.account_id,
            states=_QUEUES[queue][1],
            host=_folded(host),
            cursor=visit.query.text("after", 1000) or None,
        )
        facts = facts_of(work, [one.server for one in page.rows])
    rows = [(one, next_step_of(one.server, facts[one.server.id])) for one in page.rows]
    more = {"queue": queue, "q": host, "after": page.next or ""}
    return visit.render(
        "agent/applicants.html",
        rows=rows,
        queues=_tabs(counts, queue),
        queue=queue,
        host=host,
        total=sum(counts.values()),
        next=f"/agent?{urlencode(more)}" if page.next else "",
    )


def _folded(host: str) -> str:
    """Return the beginning of a host name as names are stored, as far as it is one."""
    try:
        return normalise_hostname(host) if host else ""
    except AddressSyntaxError:
        return host.lower()


def _tabs(counts: dict[State, int], current: str) -> list[tuple[str, str, bool]]:
    tabs = []
    for name, (label, states) in _QUEUES.items():
        number = sum(counts.get(state, 0) for state in states or State)
        url = f"/agent?queue={name}" if name else "/agent"
        tabs.append((f"{label} ({number})", url, name == current))
    return tabs


@pages.get("/agent/new", allow=_AGENT)
def show_new(visit: Visit) -> Response:
    """Ask for whom, and for which host."""
    return render_new(visit, "agent/new.html", {}, {})


@pages.post("/agent/new", allow=_AGENT)
def begin(visit: Visit) -> Response:
    """Begin an application for an owner."""
    return begin_for(
        visit,
        Actor(Role.AGENT, visit.me.account_id),
        "agent/new.html",
        owner_email=visit.form.text("owner_email", 255),
        owner_name=visit.form.text("owner_name", 255),
    )
