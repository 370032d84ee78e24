"""Look one host up: how it stands, since when, and why."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registrar.queries import hosts
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit

pages = Pages()


@pages.get("/look-up", allow=PUBLIC)
def look_up(visit: Visit) -> Response:
    """Ask for a host name, and go to its page."""
    text = visit.query.text("host", 255)
    if not text:
        return visit.render("public/look_up.html", text="", error="")
    try:
        return visit.redirect(f"/hosts/{quote(normalise_hostname(text), safe='')}")
    except AddressSyntaxError as error:
        fault = f"That is not a host name: {error}."
        return visit.render("public/look_up.html", code=422, text=text, error=fault)


@pages.get("/hosts/{hostname}", allow=PUBLIC)
def show(visit: Visit, hostname: str) -> Response:
    """Show what is public of a host; one that was never registered gets the same page, with 404."""
    try:
        name = normalise_hostname(hostname)
    except AddressSyntaxError as error:
        fault = f"That is not a host name: {error}."
        return visit.render("public/look_up.html", code=422, text=hostname, error=fault)
    with visit.reading() as work:
        record = hosts.look_up(work, name)
    return visit.render(
        "public/host.html",
        code=200 if record else 404,
        hostname=name,
        record=record,
        zone=visit.office.config.zone,
    )
