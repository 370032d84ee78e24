"""Example pages that use everything of the look, for tests and for screenshots."""

from __future__ import annotations

import datetime
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader

from countersign.registrar.web.rendering import environment
from countersign.registrar.web.world_map import City
from countersign.rules.life_cycle import State
from countersign.web.frame import Flash, Frame, Link, Person

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
    figures = site.get_template("figures.html").render(frame=frame(), **_figures())
    error = site.get_template("error.html").render(
        frame=frame(person=None, flashes=[]),
        status=404,
        title="There is no such page",
        happened="The address may have been mistyped, or the page has been moved.",
        todo=["Check the address.", "Look a server up in the directory."],
        reference="7f3a",
    )
    return {"/everything": everything, "/figures": figures, "/error": error}


def _figures() -> dict[str, object]:
    names = ("Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb", "Mar", "Apr", "May")
    return {
        "counts": {
            **{"AU": 1204, "US": 9800, "DE": 3120, "GB": 900, "NZ": 77, "SG": 35, "JP": 410},
            **{"BR": 260, "IN": 640, "ZA": 45, "FR": 1500, "RU": 3, "MT": 2, "CA": 820, "FJ": 1},
            **{"KE": 12, "SE": 340, "AR": 19, "CN": 150, "XX": 4},
        },
        "cities": [
            City(-33.87, 151.21, 640, "Sydney"),
            City(40.71, -74.01, 3000, "New York"),
            City(51.51, -0.13, 800, "London"),
            City(1.29, 103.85, 35, "Singapore"),
        ],
        "months": names,
        "reports": [12, 9, 14, 22, 31, 28, 40, 36, 44, 39, 52, 61],
        "registered": [120, 180, 260, 390, 520, 700, 860, 1010, 1230, 1400, 1520, 1804],
        "suspended": [0, 2, 3, 5, 8, 9, 14, 18, 19, 25, 31, 44],
        "bonds": [k * 2_750_000 for k in range(1, 13)],
        "forfeited": [0, 0, 250_000, 0, 500_000, 750_000, 250_000, 0, 0, 1_000_000, 250_000, 0],
        "zeros": [0] * 12,
        "days": [f"Day {k}" for k in range(100)],
        "sessions": [500 + (k * 37) % 90 + 6 * k for k in range(100)],
    }
