"""Who acts on the registry (DESIGN §6). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """In which capacity somebody acts; an account may have several."""

    OWNER = "owner"
    """Owns servers. Every account has this role."""
    ADMIN_CONTACT = "admin-contact"
    """Administers somebody's server; is written to, and may read."""
    AGENT = "agent"
    """Accredited: applies on behalf of owners, and sees only those."""
    SCREENER = "screener"
    """Looks at applicants' papers, decides doubtful matches."""
    ADJUDICATOR = "adjudicator"
    """Suspends, reinstates, deregisters, proposes forfeitures."""
    TREASURER = "treasurer"
    """Records payments and pays out."""
    AUDITOR = "auditor"
    """Reads everything but the papers, changes nothing."""
    ADMINISTRATOR = "administrator"
    """Manages staff accounts and accredits agents; sees no papers, moves no money."""
    PROBE = "probe"
    """Tests servers."""
    SYSTEM = "system"
    """The registrar itself."""


STAFF = frozenset(
    {Role.SCREENER, Role.ADJUDICATOR, Role.TREASURER, Role.AUDITOR, Role.ADMINISTRATOR}
)
"""Roles of the registrar's own people: a second factor is required of them."""

_APART: dict[Role, frozenset[Role]] = {
    # Who gives out rights has none over papers or money, and who audits has no other part.
    Role.ADMINISTRATOR: frozenset({Role.SCREENER, Role.TREASURER}),
    Role.AUDITOR: STAFF - {Role.AUDITOR},
}


def conflicting(role: Role, held: Iterable[Role]) -> Role | None:
    """Return a role that nobody may hold together with another one; None: they go together."""
    for other in held:
        if other in _APART.get(role, ()) or role in _APART.get(other, ()):
            return other
    return None
