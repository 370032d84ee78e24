"""Example pages that use everything of the look, for tests and for screenshots."""

from __future__ import annotations

import datetime
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader

from countersign.registrar.web.frame import Flash, Frame, Link, Person
from countersign.registrar.web.rendering import environment
from countersign.rules.life_cycle import State

NOW = datetime.datetime(2031, 5, 14, 9, 30, tzinfo=datetime.UTC)
ERRORS = {"abn": "This is not a valid ABN.", "as": "Say who owns the server."}
SERVERS = [
    {"host": "mx1.harbour.example", "state": State.OFFERED, "bond": 250_000},
    {"host": "a-very-long-name-of-a-host.mail.harbour.example", "state": "active", "bond": 250_000},
    {"host": "<script>alert(1)</script>", "state": "not-tested", "bond": 0},
]


def frame(**changes: object) -> Frame:
    """Return a frame with everything in it."""
    parts: dict[str, object] = {
        "operator": "Australian Mail Server Registrar",
        "now": NOW,
        "navigation": [
            Link("Servers", "/servers", current=True),
            Link("Sponsorship", "/sponsorship"),
            Link("Payments", "/payments"),
            Link("Offender query", "/offenders"),
            Link("Directory", "/directory"),
        ],
        "person": Person("Mei Chen", "Owner", [Link("Account and security", "/account")]),
        "csrf_token": "token-of-this-session",
        "flashes": [Flash("success", "The application has been saved.")],
        "s_day": datetime.date(2032, 2, 1),
        "footer": [Link("Transparency", "/transparency"), Link("Privacy", "/privacy")],
    }
    return Frame(**{**parts, **changes})  # type: ignore[arg-type]


def example_environment() -> Environment:
    """Return the site's environment with the example pages beside its own templates."""
    pages = FileSystemLoader(Path(__file__).parent / "pages")
    site = environment()
    assert site.loader is not None
    return site.overlay(loader=ChoiceLoader([site.loader, pages]))


def example_pages() -> dict[str, str]:
    """Return the examples by path."""
    site = example_environment()
    everything = site.get_template("everything.html").render(
        frame=frame(), now=NOW, errors=ERRORS, servers=SERVERS, states=list(State)
    )
    error = site.get_template("error.html").render(
        frame=frame(person=None, flashes=[]),
        status=404,
        title="There is no such page",
        happened="The address may have been mistyped, or the page has been moved.",
        todo=["Check the address.", "Look a server up in the directory."],
        reference="7f3a",
    )
    return {"/everything": everything, "/error": error}
