"""Sign-ins that failed: from where, for which accounts, and the newest of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from countersign.gateway.pages.routing import Allow, Pages
from countersign.gateway.pages.visit import Visit
from countersign.gateway.pages.words import FAILURE_WORDS
from countersign.rules.submission import DAY
from countersign.storage.submission.tables import SignInFailure

pages = Pages()

_LOOKED_AT = 2000
_GROUPS = 15
_NEWEST = 50


@dataclass(frozen=True, slots=True)
class Group:
    """Failures that have a network, or an account, in common."""

    name: str
    failures: int
    others: int
    """Accounts that a network tried; networks that tried an account."""
    last: float
    """Seconds since the epoch."""


@pages.get("/administrator/sign-ins", allow=Allow.ADMINISTRATOR)
async def show(visit: Visit) -> Response:
    """Show them."""
    newest = await visit.parts.tables.recent_failures(_LOOKED_AT)
    today = [one for one in newest if one.at > visit.now - DAY]
    return visit.render(
        "administrator/sign_ins.html",
        today=len(today),
        is_all=len(today) < _LOOKED_AT,
        networks=groups(today, lambda one: one.network, lambda one: one.user),
        accounts=groups(today, lambda one: one.user, lambda one: one.network),
        newest=newest[:_NEWEST],
        words=FAILURE_WORDS,
    )


Part = Callable[[SignInFailure], str]


def groups(failures: Sequence[SignInFailure], by: Part, other: Part) -> list[Group]:
    """Return the largest groups of failures; those for no account, or none known, are left out."""
    found: dict[str, list[SignInFailure]] = {}
    for one in failures:
        if by(one):
            found.setdefault(by(one), []).append(one)
    made = [
        Group(name, len(ones), len({other(one) for one in ones}), max(one.at for one in ones))
        for name, ones in found.items()
    ]
    return sorted(made, key=lambda one: (-one.failures, one.name))[:_GROUPS]
