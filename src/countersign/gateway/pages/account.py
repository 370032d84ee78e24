"""A user's own page: what I have sent today, my limit, why I am locked (DESIGN §5)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from countersign.gateway.pages.rendering import moment
from countersign.gateway.pages.routing import Allow, Pages
from countersign.gateway.pages.standing import hour_begins, standing_of
from countersign.gateway.pages.visit import Visit
from countersign.gateway.pages.words import FAILURE_WORDS
from countersign.rules.sign_in import counted_name
from countersign.rules.submission import DAY, Limits, is_name_stamped, limits_of
from countersign.storage.submission.entries import Found
from countersign.storage.submission.tables import SignInFailure

pages = Pages()

MESSAGES = 20
RUNS = 20
_LOOKED_AT = 2000
"""Failed sign-ins of all accounts among which one's own are looked for."""


@dataclass(frozen=True, slots=True)
class Run:
    """Failures one after the other, of one kind and from one network."""

    network: str
    reason: str
    count: int
    first: float
    last: float
    """Seconds since the epoch."""


@pages.get("/", allow=Allow.USER)
async def show(visit: Visit) -> Response:
    """Show how the user stands, and what an attack on the account would leave behind."""
    parts, user, now = visit.parts, visit.user, visit.now
    config = parts.config
    facts = await parts.accounts.facts(user)
    defaults = Limits(config.limits.recipients_per_message, config.limits.recipients_per_day)
    used, hours = await parts.tables.used(user, now), await parts.tables.hours(user, now)
    failed = await parts.tables.failures(counted_name(user), "", now - DAY)
    return visit.render(
        "account.html",
        standing=standing_of(used, hours, limits_of(facts, defaults), now),
        account=facts,
        is_stamped=is_name_stamped(facts, by_default=config.stamp.user),
        lock=await parts.tables.lock_of(user),
        hours=hours,
        labels=[f"{moment(one):%H:%M}" for one in hour_begins(now)],
        messages=await _messages(visit),
        failures=await _failures(visit),
        failed_today=failed.of_account,
        words=FAILURE_WORDS,
    )


async def _messages(visit: Visit) -> Sequence[Found]:
    """Return the newest messages of the last 24 hours that this host took, the newest first."""
    journal = visit.parts.journal
    entries = await journal.of_user(visit.user, visit.now - DAY, visit.now)
    found = await asyncio.gather(*(journal.find(one.id) for one in entries[: -MESSAGES - 1 : -1]))
    return [one for one in found if one is not None]


async def _failures(visit: Visit) -> Sequence[Run]:
    name = counted_name(visit.user)
    found = await visit.parts.tables.recent_failures(_LOOKED_AT)
    return runs([one for one in found if counted_name(one.user) == name])[:RUNS]


def runs(failures: Sequence[SignInFailure]) -> list[Run]:
    """Return runs of failures. Newest first, as the failures are."""
    made = []
    for (network, reason), group in itertools.groupby(
        failures, lambda one: (one.network, one.reason)
    ):
        times = [one.at for one in group]
        made.append(Run(network, reason, len(times), times[-1], times[0]))
    return made
