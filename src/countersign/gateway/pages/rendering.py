"""The pages' templates to text."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path

from jinja2 import Environment

from countersign.gateway.pages import meters
from countersign.web.rendering import load_macros, make_environment
from countersign.web.static_folders import StaticFolders

_FOLDER = Path(__file__).parent
STATICS = StaticFolders(_FOLDER / "static")


@functools.cache
def environment() -> Environment:
    """Return the one Jinja environment."""
    made = make_environment(_FOLDER / "templates", STATICS, ("pages.css",))
    made.filters["moment"] = moment
    made.globals["meter"] = meters.meter
    load_macros(made, ("meters",))
    return made


def moment(seconds: float) -> datetime.datetime:
    """Return a time, given in seconds since the epoch."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
