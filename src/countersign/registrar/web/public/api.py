"""What there is for programs: the addresses of the REST API, for people to read."""

from __future__ import annotations

from itertools import groupby

from starlette.responses import Response

from countersign.registrar.api.app import overview
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import SCOPE_WORDS

pages = Pages()


@pages.get("/api", allow=PUBLIC)
def show_api(visit: Visit) -> Response:
    """Say how a program gets in, and what it can ask for."""
    entries = sorted(overview(), key=lambda entry: entry.subject)
    subjects = {subject: list(group) for subject, group in groupby(entries, lambda e: e.subject)}
    return visit.render(
        "public/api.html",
        subjects=subjects,
        scopes=[(str(scope), words) for scope, words in SCOPE_WORDS.items()],
        origin=visit.office.config.url.rstrip("/"),
    )
