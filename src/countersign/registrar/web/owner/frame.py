"""What all pages of one server share: its name and state, its tabs, who looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import Server

_EARLY = frozenset({State.DRAFT, State.SUBMITTED})


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab of a server's pages."""

    label: str
    path: str
    permission: Permission
    """That which the page behind it asks for."""
    registered: bool = False
    """Only once the server is, or was, registered."""
    cleared: bool = False
    """Only once the application has been screened."""


TABS = (
    Tab("Overview", "", Permission.SEE_SERVER),
    Tab("Application", "/application", Permission.EDIT_APPLICATION),
    Tab("Money", "/money", Permission.SEE_MONEY, cleared=True),
    Tab("Sponsors", "/sponsors", Permission.SEE_MONEY),
    Tab("Contract", "/contract", Permission.EDIT_APPLICATION),
    Tab("Control", "/control", Permission.SEE_SERVER),
    Tab("Tests", "/tests", Permission.SEE_SERVER, cleared=True),
    Tab("Users", "/users", Permission.SEE_HOLDINGS, registered=True),
    Tab("Keys", "/keys", Permission.SEE_HOLDINGS, registered=True),
    Tab("Traps", "/traps", Permission.SEE_HOLDINGS, registered=True),
    Tab("Directory entry", "/directory-entry", Permission.EDIT_APPLICATION, registered=True),
    Tab("Cases", "/cases", Permission.SEE_SERVER, registered=True),
)


def find(work: Work, key: int) -> Server:
    """Return a server. Raises :class:`NotFoundError`."""
    server = work.session.get(Server, key)
    if server is None:
        raise NotFoundError("There is no such server, or it is not yours.")
    return server


def show(
    visit: Visit, template: str, server: Server, tab: str, /, *, code: int = 200, **context: Any
) -> Response:
    """Return a page of a server; tab: the path of the one that it is on."""
    return visit.render(
        template,
        code=code,
        server=server,
        base=f"/servers/{server.id}",
        tabs=tabs(visit, server, tab),
        is_owner=server.owner_id == visit.me.account_id,
        **context,
    )


def tabs(visit: Visit, server: Server, current: str) -> list[tuple[str, str, bool]]:
    """Return the tabs that a visitor may use now: label, address, whether it is this one."""
    was_registered = server.active_since is not None
    is_cleared = server.state not in _EARLY
    return [
        (tab.label, f"/servers/{server.id}{tab.path}", tab.path == current)
        for tab in TABS
        if visit.may(tab.permission)
        and (was_registered or not tab.registered)
        and (is_cleared or not tab.cleared)
    ]
