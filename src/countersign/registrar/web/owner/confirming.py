"""The page behind the link that is mailed to the contacts of an application."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import contacts
from countersign.registrar.operations.office import NotFoundError
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit

pages = Pages()

_LONGEST = 200
_AS = {
    "account": "the owner of",
    "owner": "the owner of",
    "admin": "the admin contact of",
}


@pages.get("/confirm-contact/{token}", allow=PUBLIC)
def show_question(visit: Visit, token: str) -> Response:
    """Say what is to be confirmed. Opening the link changes nothing: mail scanners open it too."""
    with visit.reading() as work:
        asked = contacts.look_at(work, _short(token))
    return visit.render("owner/confirm_contact.html", asked=asked, hand=_AS[asked.contact])


@pages.post("/confirm-contact/{token}", allow=PUBLIC)
def confirm(visit: Visit, token: str) -> Response:
    """Confirm the address."""
    with visit.work() as work:
        asked = contacts.confirm(work, _short(token))
    return visit.render("owner/contact_confirmed.html", asked=asked)


def _short(token: str) -> str:
    if len(token) > _LONGEST:
        raise NotFoundError("This link is not whole: copy all of it.")
    return token
