"""Templates to text: the Jinja environment, apart from any web framework.

Templates get everything by name; a name that is missing is an error, and all that is put into
a page is escaped. The macro files are at hand in every template without an import, as ``ui``,
``forms``, ``tables``, ``charts`` and ``maps``; each lists its macros at its top. Files of the
static folder are addressed under a hash of the whole folder, so that browsers may keep them
for a year.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from countersign.registrar.web import charts, filters, world_map

FOLDER = Path(__file__).parent
STATIC_FOLDER = FOLDER / "static"
STATIC_PREFIX = "/static/"
STYLESHEETS = (
    "theme.css",
    "layout.css",
    "forms.css",
    "pieces.css",
    "lists.css",
    "tables.css",
    "charts.css",
    "public.css",
    "owner.css",
    "staff.css",
)
MACROS = ("ui", "forms", "tables", "charts", "maps")
SCRIPTS = ("htmx.min.js", "countersign.js")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""The header under which all pages work."""


@functools.cache
def static_version() -> str:
    """Return the hash of all static files: it changes when any of them does."""
    digest = hashlib.sha256()
    for path in sorted(STATIC_FOLDER.rglob("*")):
        if path.is_file():
            name = path.relative_to(STATIC_FOLDER).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def static_url(name: str) -> str:
    """Return the address of a static file: ``/static/<hash>/<name>``.

    Raises :class:`FileNotFoundError` for a file that is not there.
    """
    path = (STATIC_FOLDER / name).resolve()
    if not (path.is_file() and path.is_relative_to(STATIC_FOLDER.resolve())):
        raise FileNotFoundError(f"no static file {name}")
    return f"{STATIC_PREFIX}{static_version()}/{name}"


@functools.cache
def environment() -> Environment:
    """Return the one Jinja environment, with all filters and globals."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        money=filters.money,
        number=filters.number,
        date=filters.date,
        datetime=filters.moment,
        relative=filters.relative,
        days=filters.days,
        wording=filters.wording,
        badge=filters.badge,
        country=filters.country,
        host=filters.host,
        size=filters.size,
        lines=filters.escaped_lines,
        life_cycle=filters.life_cycle,
    )
    made.globals.update(
        static=static_url,
        stylesheets=STYLESHEETS,
        scripts=SCRIPTS,
        countries=filters.countries,
        life_cycle=filters.life_cycle,
        bar_chart=charts.bars,
        stacked_chart=charts.stacked,
        line_chart=charts.line,
        world_map=world_map.draw,
    )
    # One after the other: a file of macros sees those before it.
    for name in MACROS:
        made.globals[name] = made.get_template(f"macros/{name}.html").module
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


def wants_part(headers: Mapping[str, str]) -> bool:
    """Tell whether a request comes from htmx and asks for a part of a page.

    False for a boosted link and for the restoration of a page from the history: these want
    the whole page. An answer that depends on this must be sent with ``Vary: HX-Request``.
    headers: by names in any case, as a web framework gives them, or in lower case.
    """

    def has(name: str) -> bool:
        return headers.get(name, headers.get(name.lower(), "")) == "true"

    return has("HX-Request") and not has("HX-Boosted") and not has("HX-History-Restore-Request")
