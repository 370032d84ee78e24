"""Who acts on the registry (DESIGN §6). Pure."""

from __future__ import annotations

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
