"""Privileged users, what waits for the registrar, and the head of the journal."""

from __future__ import annotations

from starlette.responses import Response

from countersign.gateway.pages.routing import Allow, Pages
from countersign.gateway.pages.visit import Visit
from countersign.gateway.pages.words import ORDER_WORDS

pages = Pages()

_PRIVILEGED = 500
_WAITING = 100


@pages.get("/administrator/records", allow=Allow.ADMINISTRATOR)
async def show(visit: Visit) -> Response:
    """Show them."""
    accounts = visit.parts.accounts
    return visit.render(
        "administrator/records.html",
        privileged=await accounts.privileged(_PRIVILEGED),
        waiting=await accounts.orders.waiting(_WAITING),
        head=await visit.parts.journal.head(),
        words=ORDER_WORDS,
        keep_days=visit.parts.config.stamp.keep_days,
    )
