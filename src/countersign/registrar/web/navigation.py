"""Where one can go from every page, by role."""

from __future__ import annotations

from countersign.registrar.operations.sessions import SignedIn
from countersign.registrar.web.access import Standing
from countersign.rules.access import Permission, may
from countersign.rules.roles import STAFF, Role
from countersign.web.frame import Link, Person

_PUBLIC = (("Directory", "/directory"), ("Look up", "/look-up"), ("How to join", "/join"))
_FOOTER = (
    ("What this is", "/about"),
    ("Transparency", "/transparency"),
    ("Privacy", "/privacy"),
    ("For programs", "/api"),
)
_OWNER = (
    ("Servers", "/servers"),
    ("Sponsorship", "/sponsorship"),
    ("Offender query", "/offender-query"),
)
_STAFF: tuple[tuple[str, str, Permission], ...] = (
    ("Screening", "/staff/screening", Permission.SCREEN),
    ("Cases", "/staff/cases", Permission.CONFIRM_FORFEITURE),
    ("Payments", "/staff/payments", Permission.MOVE_MONEY),
    ("Ledger", "/staff/ledger", Permission.EXPORT_MONEY),
    ("Servers", "/staff/servers", Permission.SEE_SERVERS),
    ("Offenders", "/staff/offenders", Permission.SEE_OFFENDERS),
    ("Agents", "/staff/accreditations", Permission.ACCREDIT),
    ("Accounts", "/staff/accounts", Permission.SEE_STAFF),
    ("Access log", "/staff/access-log", Permission.SEE_AUDIT),
    ("Jobs", "/staff/jobs", Permission.SEE_JOBS),
    ("Secondaries", "/staff/secondaries", Permission.SEE_SECONDARIES),
    ("Probes", "/staff/probes", Permission.SEE_PROBES),
)
_WORK = "/staff"
"""What waits for whoever is on the staff; other pages of theirs lie below it."""


def navigation(standing: Standing, path: str) -> list[Link]:
    """Return the main navigation of a visitor."""
    if not standing.roles or standing.must_enrol:
        return _links(_PUBLIC, path)
    entries: list[tuple[str, str]] = []
    if standing.roles & STAFF:
        entries = [("Work", _WORK)]
        entries += [(label, url) for label, url, need in _STAFF if may(standing.roles, need)]
    else:
        entries = [*_OWNER]
    if Role.AGENT in standing.roles:
        entries.append(("Applicants", "/agent"))
    return _links((*entries, _PUBLIC[0]), path)


def footer(path: str) -> list[Link]:
    """Return the links at the foot of every page."""
    return _links(_FOOTER, path)


def person(signed_in: SignedIn | None, path: str) -> Person | None:
    """Return who has signed in, for the page's head."""
    if signed_in is None:
        return None
    granted = sorted(role.replace("-", " ") for role in signed_in.roles - {Role.OWNER})
    words = ", ".join(granted) or "owner"
    entries = [("Account and security", "/account"), ("My servers", "/servers")]
    if signed_in.roles & STAFF:
        # The main navigation is their work's; they may own servers as well.
        entries += _OWNER[1:]
    return Person(
        signed_in.name,
        words[:1].upper() + words[1:],
        _links(tuple(entries), path),
    )


def _links(entries: tuple[tuple[str, str], ...], path: str) -> list[Link]:
    return [
        Link(label, url, path == url or (url != _WORK and path.startswith(f"{url}/")))
        for label, url in entries
    ]
