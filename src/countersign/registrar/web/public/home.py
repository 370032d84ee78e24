"""What this is, how to join, and what is done with people's data."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.documents.markdown import to_html
from countersign.registrar.documents.text import Kind, current, fill, placeholders
from countersign.registrar.operations.office import NotFoundError
from countersign.registrar.queries import directory, figures
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.life_cycle import State

pages = Pages()

_TEXTS = {
    Kind.REGISTRATION_CONTRACT: "Registration contract",
    Kind.SPONSOR_UNDERTAKING: "Sponsor's undertaking",
    Kind.USER_AGREEMENT: "Model agreement between owner and user",
    Kind.PRIVILEGED_USER_AGREEMENT: "Model agreement for privileged users",
}


@pages.get("/", allow=PUBLIC)
def home(visit: Visit) -> Response:
    """Say in one page what the registrar is for."""
    with visit.reading() as work:
        states = figures.by_state(work)
        countries = directory.by_country(work)
    return visit.render(
        "public/home.html",
        registered=states[State.ACTIVE],
        suspended=states[State.SUSPENDED],
        countries=len(countries),
        counts={one.code: one.servers for one in countries},
    )


@pages.get("/about", allow=PUBLIC)
def about(visit: Visit) -> Response:
    """Explain the system to somebody who has never heard of it."""
    return visit.render("public/about.html", zone=visit.office.config.zone)


@pages.get("/join", allow=PUBLIC)
def join(visit: Visit) -> Response:
    """Say how a server is registered, what is asked, and what it costs."""
    return visit.render("public/join.html", money=visit.office.config.money, texts=_TEXTS)


@pages.get("/privacy", allow=PUBLIC)
def privacy(visit: Visit) -> Response:
    """Say what is kept of whom, who sees it, and for how long."""
    config = visit.office.config
    return visit.render(
        "public/privacy.html",
        operator_address=config.operator_address,
        write_to=config.mail.sender,
    )


@pages.get("/texts/{kind}", allow=PUBLIC)
def text(visit: Visit, kind: str) -> Response:
    """Show the present version of a contract or agreement."""
    known = next((one for one in _TEXTS if one == kind), None)
    if known is None:
        raise NotFoundError("There is no such text.")
    version = current(known)
    return visit.render(
        "public/text.html",
        title=_TEXTS[known],
        version=version,
        content=to_html(fill(known, version, _blanks(known, version)).markdown, first_heading=2),
    )


def _blanks(kind: Kind, version: str) -> dict[str, str]:
    """Return for each value that is filled in later its name in brackets."""
    return {name: f"[{name.replace('_', ' ')}]" for name in placeholders(kind, version).required}
