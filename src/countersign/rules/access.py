"""Who may do what in the registrar: one table of roles and permissions (DESIGN §6). Pure.

Owner, agent and admin contact are roles towards one server; an account has them for its own
servers only. The staff's roles are towards all servers.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from countersign.rules.roles import STAFF, Role


class Permission(StrEnum):
    """One thing that somebody may or may not do; the value finishes 'you may not …'."""

    # Towards one server.
    SEE_SERVER = "see this server"
    """Its state, events, tests, bond and fee due."""
    EDIT_APPLICATION = "change this application"
    """Particulars, uploads, submission, withdrawal."""
    SEE_PARTICULARS = "see these particulars"
    SEE_DOCUMENTS = "see these papers"
    """The content of scans: screening staff only, not even the applicant."""
    ACCEPT_CONTRACT = "accept this contract"
    SEE_HOLDINGS = "see the users, keys and traps of this server"
    MANAGE_HOLDINGS = "change the users, keys and traps of this server"
    ASK_SPONSORS = "ask for sponsors"
    VOUCH = "vouch with this server"
    ASK_TEST = "ask for a test"
    SEE_MONEY = "see this server's invoices and payments"
    QUERY_OFFENDERS = "ask about offenders"
    ANSWER_CASE = "answer this case"

    # Staff.
    SCREEN = "decide screenings"
    ADJUDICATE = "decide cases"
    SEE_OFFENDERS = "see the offenders"
    RECORD_OFFENDERS = "record offenders"
    MOVE_MONEY = "record payments and pay out"
    EXPORT_MONEY = "export the ledger"
    CONFIRM_FORFEITURE = "confirm a forfeiture"
    SEE_SERVERS = "search all servers"
    SEE_AUDIT = "read the access log"
    SEE_STAFF = "see the staff"
    MANAGE_STAFF = "manage staff accounts"
    ACCREDIT = "accredit agents"
    SEE_JOBS = "see background work"
    RETRY_JOBS = "repeat background work"
    SEE_SECONDARIES = "see the secondaries"
    MANAGE_SECONDARIES = "manage secondaries and their keys"
    SEE_PROBES = "see the probes"
    """Who they are and where they stand: nobody else is to know."""
    MANAGE_PROBES = "invite and revoke probes"


_P = Permission
_TO_READ = frozenset({_P.SEE_SERVER, _P.SEE_HOLDINGS, _P.SEE_MONEY})
_STAFF_TO_READ = frozenset({_P.SEE_SERVER, _P.SEE_SERVERS})

TABLE: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _TO_READ
    | {
        _P.EDIT_APPLICATION,
        _P.SEE_PARTICULARS,
        _P.ACCEPT_CONTRACT,
        _P.MANAGE_HOLDINGS,
        _P.ASK_SPONSORS,
        _P.VOUCH,
        _P.ASK_TEST,
        _P.QUERY_OFFENDERS,
        _P.ANSWER_CASE,
    },
    Role.AGENT: _TO_READ | {_P.EDIT_APPLICATION, _P.SEE_PARTICULARS, _P.ASK_SPONSORS, _P.ASK_TEST},
    Role.ADMIN_CONTACT: _TO_READ | {_P.QUERY_OFFENDERS},
    Role.SCREENER: _STAFF_TO_READ
    | {_P.SCREEN, _P.SEE_PARTICULARS, _P.SEE_DOCUMENTS, _P.SEE_OFFENDERS, _P.ASK_TEST},
    Role.ADJUDICATOR: _STAFF_TO_READ
    | {
        _P.ADJUDICATE,
        _P.CONFIRM_FORFEITURE,
        _P.SEE_OFFENDERS,
        _P.RECORD_OFFENDERS,
        _P.SEE_HOLDINGS,
        _P.SEE_MONEY,
        _P.ASK_TEST,
    },
    Role.TREASURER: _STAFF_TO_READ
    | {_P.SEE_MONEY, _P.MOVE_MONEY, _P.EXPORT_MONEY, _P.CONFIRM_FORFEITURE},
    Role.AUDITOR: _STAFF_TO_READ
    | {
        _P.SEE_HOLDINGS,
        _P.SEE_MONEY,
        _P.EXPORT_MONEY,
        _P.SEE_OFFENDERS,
        _P.SEE_AUDIT,
        _P.SEE_STAFF,
        _P.SEE_JOBS,
        _P.SEE_SECONDARIES,
        _P.SEE_PROBES,
    },
    Role.ADMINISTRATOR: frozenset(
        {
            _P.SEE_STAFF,
            _P.MANAGE_STAFF,
            _P.ACCREDIT,
            _P.SEE_AUDIT,
            _P.SEE_JOBS,
            _P.RETRY_JOBS,
            _P.SEE_SECONDARIES,
            _P.MANAGE_SECONDARIES,
            _P.SEE_PROBES,
            _P.MANAGE_PROBES,
        }
    ),
    Role.PROBE: frozenset(),
    Role.SYSTEM: frozenset(),
}
"""What each role may do. Nobody may anything that is not here."""

TOWARDS_A_SERVER = frozenset({Role.OWNER, Role.AGENT, Role.ADMIN_CONTACT})
"""Roles that somebody has towards single servers."""


def roles_towards(
    server: tuple[int, int | None, int | None], account_id: int, granted: Iterable[Role]
) -> frozenset[Role]:
    """Return the roles that an account has towards a server.

    server: keys of the accounts that own it, apply for it as agent, administer it. granted: the
    roles that the account has by itself. Whoever has a hand in a server has none of the staff's
    roles towards it: nobody decides in a matter of one's own.
    """
    owner, agent, admin_contact = server
    held = frozenset(granted)
    own = {
        role
        for role, key in (
            (Role.OWNER, owner),
            (Role.AGENT, agent if Role.AGENT in held else None),
            (Role.ADMIN_CONTACT, admin_contact),
        )
        if key == account_id
    }
    return frozenset(own) or held & STAFF


def acting_role(roles: Iterable[Role], permission: Permission) -> Role | None:
    """Return the role by which somebody with some roles may do a thing; None: may not.

    Of several, the one that stands first in the table.
    """
    held = frozenset(roles)
    for role, permissions in TABLE.items():
        if role in held and permission in permissions:
            return role
    return None


def may(roles: Iterable[Role], permission: Permission) -> bool:
    """Tell whether somebody with some roles may do a thing."""
    return acting_role(roles, permission) is not None


def staff_with(permission: Permission) -> frozenset[Role]:
    """Return the staff's roles that may do a thing."""
    return frozenset(role for role in STAFF if permission in TABLE[role])


class Scope(StrEnum):
    """What a program may do with its token; the value is the scope's name in the API."""

    READ_SERVERS = "servers:read"
    WRITE_SERVERS = "servers:write"
    READ_HOLDINGS = "holdings:read"
    WRITE_HOLDINGS = "holdings:write"
    QUERY_OFFENDERS = "offenders:query"
    READ_MONEY = "money:read"
    ANSWER_SPONSORS = "sponsors:answer"


SCOPE_WORDS: dict[Scope, str] = {
    Scope.READ_SERVERS: "Read the state, events and tests of your servers",
    Scope.WRITE_SERVERS: "Fill in, hand in and withdraw; ask for tests and sponsors",
    Scope.READ_HOLDINGS: "Read privileged users, keys and traps",
    Scope.WRITE_HOLDINGS: "Register and revoke privileged users and keys",
    Scope.QUERY_OFFENDERS: "Ask about offenders",
    Scope.READ_MONEY: "Read invoices and payments",
    Scope.ANSWER_SPONSORS: "Vouch for other servers, with your own money at risk",
}
"""What each scope allows, to a person."""
