"""What an operator registers of a server: privileged users, keys; and the traps it is given."""

from __future__ import annotations

import datetime

from starlette.responses import Response

from countersign.registrar.documents.text import Kind, versions
from countersign.registrar.operations import holdings, server_keys, traps
from countersign.registrar.operations.listing import current_listing
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.operations.server_keys import KeyPurpose
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import PUBLISHED

pages = Pages()

_SEE, _MANAGE = Permission.SEE_HOLDINGS, Permission.MANAGE_HOLDINGS
_PURPOSES = {
    str(KeyPurpose.DKIM): "DKIM key: signs the tracking stamp",
    str(KeyPurpose.TLS): "Pin of the TLS key: receivers check it when they call back",
}


@pages.get("/servers/{server:key}/users", allow=server_access(_SEE))
def show_users(visit: Visit, server: int) -> Response:
    """Show the privileged users."""
    return _users(visit, server, "")


@pages.post("/servers/{server:key}/users", allow=server_access(_MANAGE))
def add_user(visit: Visit, server: int) -> Response:
    """Register a privileged user."""
    try:
        accepted_on = _date(visit.form.text("accepted_on", 32))
        with visit.work() as work:
            holdings.register_user(
                work,
                visit.actor(_MANAGE),
                frame.find(work, server),
                identifier=visit.form.text("identifier", 2000),
                agreement_version=visit.form.text("version", 32),
                accepted_on=accepted_on,
            )
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _users(visit, server, str(error), code=422)
    visit.flash("The user has been registered.")
    return visit.redirect(f"/servers/{server}/users")


@pages.post("/servers/{server:key}/users/{user:key}/revoke", allow=server_access(_MANAGE))
def revoke_user(visit: Visit, server: int, user: int) -> Response:
    """End a user's privilege."""
    with visit.work() as work:
        holdings.revoke_user(work, visit.actor(_MANAGE), frame.find(work, server), user)
    visit.flash("The user has no privilege any more.")
    return visit.redirect(f"/servers/{server}/users")


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise OperationError(
            "Give the date on which the user accepted, such as 2026-03-31."
        ) from None


def _users(visit: Visit, server: int, error: str, code: int = 200) -> Response:
    known = versions(Kind.PRIVILEGED_USER_AGREEMENT)
    with visit.reading() as work:
        row = frame.find(work, server)
        page = holdings.users_of(work, row, cursor=visit.query.text("after", 1000) or None)
    return frame.show(
        visit,
        "owner/users.html",
        row,
        "/users",
        code=code,
        page=page,
        versions=[(one, one) for one in reversed(known)],
        values=visit.form.plain(),
        today=visit.now.date(),
        errors={"": error} if error else {},
        may_change=visit.may(_MANAGE) and row.state in PUBLISHED,
    )


@pages.get("/servers/{server:key}/keys", allow=server_access(_SEE))
def show_keys(visit: Visit, server: int) -> Response:
    """Show the keys, and what the registry publishes."""
    return _keys(visit, server, "")


@pages.post("/servers/{server:key}/keys", allow=server_access(_MANAGE))
def add_key(visit: Visit, server: int) -> Response:
    """Register a key."""
    try:
        purpose = _purpose(visit.form.text("purpose", 32))
        with visit.work() as work:
            server_keys.register_key(
                work,
                visit.actor(_MANAGE),
                frame.find(work, server),
                purpose,
                content=visit.form.text("content", 20_000),
                selector=visit.form.text("selector", 255),
            )
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _keys(visit, server, str(error), code=422)
    visit.flash("The key has been registered, and is being published.")
    return visit.redirect(f"/servers/{server}/keys")


def _purpose(text: str) -> KeyPurpose:
    for one in KeyPurpose:
        if one == text:
            return one
    raise OperationError("Choose what the key is for.")


@pages.post("/servers/{server:key}/keys/{key:key}/revoke", allow=server_access(_MANAGE))
def revoke_key(visit: Visit, server: int, key: int) -> Response:
    """Revoke a key."""
    with visit.work() as work:
        server_keys.revoke_key(work, visit.actor(_MANAGE), frame.find(work, server), key)
    visit.flash("The key has been revoked.")
    return visit.redirect(f"/servers/{server}/keys")


def _keys(visit: Visit, server: int, error: str, code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        keys = server_keys.keys_of(work, row)
        listing = current_listing(work, row.hostname)
    return frame.show(
        visit,
        "owner/keys.html",
        row,
        "/keys",
        code=code,
        keys=keys,
        listing=listing,
        zone=visit.office.config.zone,
        purposes=list(_PURPOSES.items()),
        values=visit.form.plain(),
        errors={"": error} if error else {},
        may_change=visit.may(_MANAGE) and row.state in PUBLISHED,
    )


@pages.get("/servers/{server:key}/traps", allow=server_access(_SEE))
def show_traps(visit: Visit, server: int) -> Response:
    """Show the mailboxes that the registrar wants to exist."""
    with visit.reading() as work:
        row = frame.find(work, server)
        found = traps.traps_of(work, row, retired=True)
    forward_to = visit.office.config.mail.sender
    return frame.show(visit, "owner/traps.html", row, "/traps", found=found, forward_to=forward_to)
