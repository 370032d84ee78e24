"""A user's own page: what I have sent today, my limit, why I am locked (DESIGN §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

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
FAILURES = 20
_LOOKED_AT = 2000
"""Failed sign-ins of all accounts among which one's own are looked for."""


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


async def _failures(visit: Visit) -> Sequence[SignInFailure]:
    name = counted_name(visit.user)
    found = await visit.parts.tables.recent_failures(_LOOKED_AT)
    return [one for one in found if counted_name(one.user) == name][:FAILURES]
