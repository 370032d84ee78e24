"""Where the service says that it lives."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit

pages = Pages()


@pages.get("/health", allow=PUBLIC)
def health(visit: Visit) -> Response:
    """Tell whether the service works: its database answers. For whatever watches it."""
    visit.office.database.check()
    return PlainTextResponse("ok\n")
