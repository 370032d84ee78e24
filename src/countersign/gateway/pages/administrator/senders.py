"""Who sends most, and which accounts are locked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from starlette.responses import Response

from countersign.gateway.pages.errors import PageError
from countersign.gateway.pages.routing import Allow, Pages
from countersign.gateway.pages.visit import Visit
from countersign.rules.submission import Limits, limits_of, normalise_user
from countersign.storage.submission.account_rows import Deed, EventKind
from countersign.storage.submission.tables import Usage

log = structlog.get_logger()
pages = Pages()

PATH = "/administrator"
_LOCKS = 50
"""Locks that are shown."""
_MAX_WORDS = 200
"""Characters of the reason for lifting a lock."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A user in the list of those who send most."""

    usage: Usage
    limit: int | None
    is_privileged: bool
    is_locked: bool


@pages.get(PATH, allow=Allow.ADMINISTRATOR)
async def show(visit: Visit) -> Response:
    """Show both."""
    tables = visit.parts.tables
    top, locks = await tables.top(visit.now), await tables.locks()
    locked = {one.user for one in locks}
    senders = await asyncio.gather(*(_sender(visit, one, one.user in locked) for one in top))
    marks = [one.limit for one in senders if one.limit is not None]
    largest = max((one.usage.recipients for one in senders), default=0)
    # As wide as what was sent and the usual limit need; a mark far beyond that is left out.
    default = visit.parts.config.limits.recipients_per_day
    whole = max([largest, default, *(mark for mark in marks if mark <= 2 * largest)])
    return visit.render(
        "administrator/senders.html",
        senders=senders,
        locks=locks[:_LOCKS],
        more_locks=max(0, len(locks) - _LOCKS),
        whole=whole,
        path=PATH,
    )


@pages.post(f"{PATH}/unlock", allow=Allow.ADMINISTRATOR)
async def unlock(visit: Visit) -> Response:
    """Lift a lock. Who did it is written down first: nothing is lifted that nobody has done."""
    try:
        user = normalise_user(visit.form.get("user", ""))
    except ValueError:
        raise PageError(400) from None
    if user == visit.user:
        # Whoever has stolen an administrator's password must not be able to go on with it.
        raise PageError(403, "Nobody lifts the lock of their own account here.")
    keeps_count = visit.form.get("count") == "keep"
    tables, accounts = visit.parts.tables, visit.parts.accounts
    if await tables.lock_of(user) is not None:
        words = visit.form.get("words", "").strip()[:_MAX_WORDS]
        deed = Deed(visit.user, visit.now, words)
        await accounts.record(user, EventKind.UNLOCKED, deed, {"count_kept": keeps_count})
        if await tables.unlock(user, forget=not keeps_count, now=visit.now):
            log.info("lock lifted by an administrator on the pages", count_kept=keeps_count)
            visit.flash(f"{user} may send again.")
            return visit.redirect(PATH)
    visit.flash(f"{user} was not locked any more.", "notice")
    return visit.redirect(PATH)


async def _sender(visit: Visit, usage: Usage, is_locked: bool) -> Sender:
    limits = visit.parts.config.limits
    facts = await visit.parts.accounts.facts(usage.user)
    defaults = Limits(limits.recipients_per_message, limits.recipients_per_day)
    return Sender(usage, limits_of(facts, defaults).per_day, facts.is_privileged, is_locked)
