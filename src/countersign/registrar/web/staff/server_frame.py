"""What stands around each page of one server, for staff."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.registrar.operations.office import Work
from countersign.registrar.queries import timelines
from countersign.registrar.web import event_words
from countersign.registrar.web.access import Access
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.staff.deciding import Errors, Question
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.storage.database.servers import Server

LIST = "/staff/servers"
ONE = LIST + "/{server:key}"
_TABS = (
    ("Overview", "", Permission.SEE_SERVERS),
    ("Events", "/events", Permission.SEE_SERVERS),
    ("Money", "/money", Permission.SEE_MONEY),
    ("Relay tests", "/tests", Permission.SEE_SERVERS),
    ("Users, keys, traps", "/holdings", Permission.SEE_HOLDINGS),
)


def staff_access(permission: Permission, *, fresh: bool = False) -> Access:
    """Allow staff with a permission that has no hand in the server of the path."""
    return server_access(permission, fresh=fresh)


def find(work: Work, server: int) -> Server:
    """Return the server of the path: the dispatcher has seen that there is one."""
    return work.session.get_one(Server, server)


def show(visit: Visit, template: str, row: Server, tab: str = "", **context: Any) -> Response:
    """Return a page of a server. tab: what comes after the server's address."""
    base = f"{LIST}/{row.id}"
    return visit.render(
        template,
        server=row,
        base=base,
        tabs=[
            (label, f"{base}{path}", path == tab)
            for label, path, permission in _TABS
            if visit.may(permission)
        ],
        words=event_words,
        **context,
    )


def trail(row: Server) -> list[tuple[str, str]]:
    """Return the breadcrumb of pages below a server's."""
    return [("Servers", LIST), (row.hostname, f"{LIST}/{row.id}")]


def question(row: Server, title: str, button: str, **more: Any) -> Question:
    """Return a decision about a server. title: with ``{host}`` in it."""
    return Question(
        title.format(host=row.hostname),
        button,
        f"{LIST}/{row.id}",
        trail=trail(row),
        server_id=row.id,
        **more,
    )


def show_form(
    visit: Visit,
    template: str,
    server: int,
    errors: Errors,
    /,
    *,
    version: int = 0,
    **context: Any,
) -> Response:
    """Show the form of a decision about a server; it carries what has been seen.

    version: of what is decided on, if it is not the server itself.
    """
    with visit.reading() as work:
        row = find(work, server)
        seen_event = timelines.last_event(work, server)
    return visit.render(
        template,
        code=422 if errors else 200,
        server=row,
        base=f"{LIST}/{row.id}",
        trail=trail(row),
        seen={"seen_version": version or row.version, "seen_event": seen_event},
        values=visit.form.plain(),
        errors=errors,
        **context,
    )
