"""What the operator of a registered server registers, and its traps (DESIGN §5).

Keys are in `server_keys.py`, the giving out of traps in `traps.py`.
"""

from __future__ import annotations

import datetime

from sqlalchemy import func, select

from countersign.registrar.documents.text import Kind, versions
from countersign.registrar.operations.access import require
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import Actor, NotFoundError, OperationError, Work
from countersign.registrar.operations.transitions import add_event
from countersign.registrar.operations.traps import allocate
from countersign.registrar.particulars.text import clean_text
from countersign.registrar.queries.paging import Page, bounded, latest_first, page_of
from countersign.rules.access import Permission
from countersign.rules.life_cycle import PUBLISHED
from countersign.storage.database.holdings import PrivilegedUser, Trap
from countersign.storage.database.servers import Server

MAX_IDENTIFIER = 255
MOST_USERS = 100_000
"""Privileged users of one server at a time."""
EARLIEST = datetime.date(2000, 1, 1)


def check_registered(server: Server) -> None:
    """Raise :class:`OperationError` unless a server is in the registry."""
    if server.state not in PUBLISHED:
        raise OperationError("This is for registered servers: the server is not active yet.")


def register_user(
    work: Work,
    actor: Actor,
    server: Server,
    *,
    identifier: str,
    agreement_version: str,
    accepted_on: datetime.date,
) -> PrivilegedUser:
    """Register a user who may send to more recipients.

    identifier: the operator's own name for the user; not the user's address or name if he can
    help it. Raises :class:`OperationError`.
    """
    require(actor, Permission.MANAGE_HOLDINGS)
    hold(work, server)
    check_registered(server)
    try:
        name = clean_text(identifier)
    except ValueError as error:
        raise OperationError(str(error)) from None
    if not 0 < len(name) <= MAX_IDENTIFIER:
        raise OperationError(f"Name the user, in at most {MAX_IDENTIFIER} characters.")
    if agreement_version not in versions(Kind.PRIVILEGED_USER_AGREEMENT):
        raise OperationError("There is no such version of the privileged users' agreement.")
    if not EARLIEST <= accepted_on <= work.today:
        raise OperationError("Check the date on which the user accepted the agreement.")
    if find_user(work, server, name) is not None:
        raise OperationError("This user is registered already.")
    if _count(work, server) >= MOST_USERS:
        raise OperationError(f"A server has {MOST_USERS:,} privileged users at most.")
    user = PrivilegedUser(
        server_id=server.id,
        identifier=name,
        agreement_version=agreement_version,
        accepted_on=accepted_on,
        registered_at=work.now,
    )
    work.session.add(user)
    work.session.flush()
    add_event(work, server, Deed.USER_REGISTERED, actor, details={"user": user.id})
    return user


def revoke_user(work: Work, actor: Actor, server: Server, user_id: int) -> PrivilegedUser:
    """End a user's privilege. Raises :class:`NotFoundError`."""
    require(actor, Permission.MANAGE_HOLDINGS)
    hold(work, server)
    user = work.session.get(PrivilegedUser, user_id)
    if user is None or user.server_id != server.id or user.revoked_at is not None:
        raise NotFoundError("There is no such user.")
    user.revoked_at = work.now
    add_event(work, server, Deed.USER_REVOKED, actor, details={"user": user.id})
    return user


def find_user(work: Work, server: Server, identifier: str) -> PrivilegedUser | None:
    """Return the registered user of a name."""
    return work.session.scalar(
        select(PrivilegedUser).where(
            PrivilegedUser.server_id == server.id,
            PrivilegedUser.identifier == identifier,
            PrivilegedUser.revoked_at.is_(None),
        )
    )


def users_of(
    work: Work,
    server: Server,
    *,
    revoked: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[PrivilegedUser]:
    """Return a server's privileged users, the newest first."""
    statement = select(PrivilegedUser).where(PrivilegedUser.server_id == server.id)
    if not revoked:
        statement = statement.where(PrivilegedUser.revoked_at.is_(None))
    statement = latest_first(statement, PrivilegedUser.id, cursor)
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.id])


def replace_trap(work: Work, actor: Actor, server: Server, trap_id: int, reason: str) -> Trap:
    """Retire a trap, e.g. because its address got about, and give the server another one."""
    require(actor, Permission.ADJUDICATE)
    hold(work, server)
    check_registered(server)
    trap = work.session.get(Trap, trap_id)
    if trap is None or trap.server_id != server.id or trap.retired_at is not None:
        raise NotFoundError("There is no such trap.")
    trap.retired_at = work.now
    add_event(work, server, Deed.TRAP_RETIRED, actor, reason=reason, details={"trap": trap.id})
    return allocate(work, server, 1)[0]


def _count(work: Work, server: Server) -> int:
    count = select(func.count()).where(
        PrivilegedUser.server_id == server.id, PrivilegedUser.revoked_at.is_(None)
    )
    return int(work.session.scalar(count) or 0)
