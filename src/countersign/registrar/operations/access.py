"""Find a server for somebody, and the role in which he may do what he wants with it (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Iterable

from countersign.registrar.operations.office import Actor, ForbiddenError, NotFoundError, Work
from countersign.rules import access
from countersign.rules.access import Permission, acting_role, may
from countersign.rules.roles import STAFF, Role
from countersign.storage.database.servers import Server

_STRANGER = "There is no such server."


def people_of(server: Server) -> tuple[int, int | None, int | None]:
    """Return the accounts that own a server, apply for it as agent, administer it."""
    return server.owner_id, server.agent_id, server.admin_contact_id


def roles_towards(account_id: int, roles: Iterable[Role], server: Server) -> frozenset[Role]:
    """Return the roles that an account has towards one server.

    roles: those that the account acts in now; without AGENT an agent's accreditation has ended.
    Whoever is a party to a server is not staff towards it: nobody decides in his own cause.
    """
    return access.roles_towards(people_of(server), account_id, roles)


def server_for(
    work: Work, account_id: int, roles: Iterable[Role], server_id: int, permission: Permission
) -> tuple[Server, Actor]:
    """Return a server for an account that wants to do something with it, and as whom it acts.

    Raises :class:`NotFoundError` for strangers to the server, as if there were none, and
    :class:`ForbiddenError` for those who know it but may not do this.
    """
    server = work.session.get(Server, server_id)
    if server is None:
        raise NotFoundError(_STRANGER)
    held = roles_towards(account_id, roles, server)
    role = acting_role(held, permission)
    if role is not None:
        return server, Actor(role, account_id)
    if may(held, Permission.SEE_SERVER):
        raise ForbiddenError(f"You may not {permission}.")
    raise NotFoundError(_STRANGER)


def refuse_own_cause(actor: Actor, server: Server) -> None:
    """Raise :class:`ForbiddenError` for staff that is a party to a server."""
    if actor.role in STAFF and actor.account_id in set(people_of(server)) - {None}:
        raise ForbiddenError("This is your own application or server: somebody else decides on it.")


def require(actor: Actor, permission: Permission) -> None:
    """Raise :class:`ForbiddenError` unless an actor's role has a permission."""
    if not may((actor.role,), permission):
        raise ForbiddenError(f"You may not {permission}.")
