"""Who is testing: where a test's NOOP and messages point to (DESIGN §8)."""

from __future__ import annotations

from starlette.responses import Response

from countersign.certification.catalogue import all_tests
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit

pages = Pages()


@pages.get("/about/tests", allow=PUBLIC)
def about_tests(visit: Visit) -> Response:
    """Explain the tests to whoever finds one in a log."""
    settings = visit.office.config.certification
    off = set(settings.without)
    return visit.render(
        "public/testing.html",
        tests=[test for test in all_tests() if test.name not in off],
        messages=settings.messages,
        probes=settings.probes,
        contact=visit.office.config.publication.contact,
    )
