"""Who may use a route: declared with the route, decided in one place. Pure.

Each page says `allow=` one of: `PUBLIC`, `SIGNED_IN`, `ENROLLING`, `roles(…)`, `staff(…)`,
`server(…)`; each route of the API `token(…)`, `probe()`, `INVITED` or `SIGNED`, by `declare`.
A route that says nothing stops the application from starting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from countersign.rules.access import Permission, Scope, may, staff_with
from countersign.rules.roles import Role


class Kind(StrEnum):
    """The kinds of declaration."""

    PUBLIC = "public"
    """Everybody."""
    ENROLLING = "enrolling"
    """Whoever has signed in, staff without a second factor included."""
    SIGNED_IN = "signed-in"
    """Whoever has signed in."""
    ROLES = "roles"
    """Accounts with one of some roles."""
    SERVER = "server"
    """Whoever has a permission towards the server that the path names."""
    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    """Programs with a token of a scope; no cookie counts (API)."""
    PROBE = "probe"
    """Probes, which sign each request with the key that they were enrolled with (API)."""
    INVITED = "invited"
    """Whoever sends a one-time token in the message: a probe that is to be enrolled (API)."""
    SIGNED = "signed"
    """Whoever signs the message: a payment provider's notice (API)."""


@dataclass(frozen=True, slots=True)
class Access:
    """A declaration. ``fresh``: a password or factor must have been given lately."""

    kind: Kind
    roles: frozenset[Role] = frozenset()
    permission: Permission | None = None
    scope: Scope | None = None
    fresh: bool = False

    def __str__(self) -> str:
        parts = [str(self.kind), *sorted(self.roles)]
        parts += [part.name for part in (self.permission, self.scope) if part]
        return " ".join([*parts, *(["fresh"] if self.fresh else [])])


PUBLIC = Access(Kind.PUBLIC)
ENROLLING = Access(Kind.ENROLLING)
SIGNED_IN = Access(Kind.SIGNED_IN)
FRESH = Access(Kind.SIGNED_IN, fresh=True)
"""Signed in, and has proved within the last ten minutes to be the same person still."""
FRESH_ENROLLING = Access(Kind.ENROLLING, fresh=True)
SIGNED = Access(Kind.SIGNED)
INVITED = Access(Kind.INVITED)


def roles(*allowed: Role, fresh: bool = False) -> Access:
    """Allow accounts with one of some roles."""
    return Access(Kind.ROLES, frozenset(allowed), fresh=fresh)


def staff(permission: Permission, *, fresh: bool = False) -> Access:
    """Allow the staff whose role gives a permission (`rules/access.py`)."""
    return Access(Kind.ROLES, staff_with(permission), permission, fresh=fresh)


def server(permission: Permission, *, fresh: bool = False) -> Access:
    """Allow those who have a permission towards the server ``{server:key}`` of the path."""
    return Access(Kind.SERVER, permission=permission, fresh=fresh)


def token(scope: Scope) -> Access:
    """Allow programs with a token of a scope (API)."""
    return Access(Kind.TOKEN, scope=scope)


def probe() -> Access:
    """Allow probes that are enrolled and not revoked (API)."""
    return Access(Kind.PROBE)


class Verdict(StrEnum):
    """What becomes of a request."""

    ALLOW = "allow"
    SIGN_IN = "sign-in"
    """To the page where one signs in."""
    ENROL = "enrol"
    """To the page where staff set up the second factor that they must have."""
    PROVE = "prove"
    """To the page that asks for the password or factor again."""
    REFUSE = "refuse"
    """403."""
    HIDE = "hide"
    """404: as if there were no such thing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts of a visitor."""

    roles: frozenset[Role] = frozenset()
    """Empty: nobody has signed in."""
    must_enrol: bool = False
    fresh: bool = False
    towards: frozenset[Role] = frozenset()
    """Roles towards the server of the path; empty: none, or there is no such server."""


_OF_THE_API = frozenset({Kind.TOKEN, Kind.PROBE, Kind.INVITED, Kind.SIGNED})


def decide(access: Access, standing: Standing) -> Verdict:
    """Return what becomes of a request for a page."""
    if access.kind is Kind.PUBLIC:
        return Verdict.ALLOW
    if access.kind in _OF_THE_API:
        return Verdict.REFUSE
    if not standing.roles:
        return Verdict.SIGN_IN
    if access.kind is not Kind.ENROLLING and standing.must_enrol:
        return Verdict.ENROL
    verdict = _of_role(access, standing)
    if verdict is Verdict.ALLOW and access.fresh and not standing.fresh:
        return Verdict.PROVE
    return verdict


def _of_role(access: Access, standing: Standing) -> Verdict:
    allowed = True
    if access.kind is Kind.ROLES:
        allowed = bool(access.roles & standing.roles)
    elif access.kind is Kind.SERVER:
        if not may(standing.towards, Permission.SEE_SERVER):
            return Verdict.HIDE
        allowed = access.permission is not None and may(standing.towards, access.permission)
    return Verdict.ALLOW if allowed else Verdict.REFUSE


_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
_MARK = "__access__"


class UndeclaredError(Exception):
    """A route does not say who may use it."""


def declare(access: Access) -> Callable[[_Endpoint], _Endpoint]:
    """Mark a function as a route's end that some may use; for the API, below FastAPI's mark."""

    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _MARK, access)
        return endpoint

    return mark


def declared(endpoint: Callable[..., Any], path: str) -> Access:
    """Return who may use a route. Raises :class:`UndeclaredError`."""
    found = getattr(endpoint, _MARK, None)
    if not isinstance(found, Access):
        raise UndeclaredError(f"{path}: the route does not declare who may use it")
    return found
