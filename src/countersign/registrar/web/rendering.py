"""The registrar's templates to text: what all websites share, and its own filters and macros."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment

from countersign.registrar.web import filters, world_map
from countersign.web.rendering import load_macros, make_environment
from countersign.web.static_folders import StaticFolders

_FOLDER = Path(__file__).parent
STATICS = StaticFolders(_FOLDER / "static")


@functools.cache
def environment() -> Environment:
    """Return the one Jinja environment, with all filters and globals."""
    made = make_environment(
        _FOLDER / "templates", STATICS, ("public.css", "owner.css", "staff.css")
    )
    made.filters.update(country=filters.country, life_cycle=filters.life_cycle)
    made.globals.update(
        countries=filters.countries,
        life_cycle=filters.life_cycle,
        world_map=world_map.draw,
    )
    load_macros(made, ("maps",))
    return made


def render(name: str, /, **context: object) -> str:
    """Return a template's text; pages that extend ``base.html`` need ``frame``."""
    return environment().get_template(name).render(context)


def render_block(name: str, block: str, /, **context: object) -> str:
    """Return the text of one block of a template, for a request that asks for a part.

    Raises :class:`KeyError` if the template itself has no such block.
    """
    template = environment().get_template(name)
    return "".join(template.blocks[block](template.new_context(context)))
