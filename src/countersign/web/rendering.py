"""Templates to text: the Jinja environment of a website, apart from any web framework.

Templates get everything by name; a name that is missing is an error, and all that is put into
a page is escaped. The macro files are at hand in every template without an import, as ``ui``,
``forms``, ``tables`` and ``charts``, and those of the website itself; each lists its macros at
its top.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from countersign.web import charts, filters
from countersign.web.static_folders import StaticFolders

STYLESHEETS = (
    "theme.css",
    "layout.css",
    "forms.css",
    "pieces.css",
    "lists.css",
    "tables.css",
    "charts.css",
)
MACROS = ("ui", "forms", "tables", "charts")
SCRIPTS = ("htmx.min.js", "countersign.js")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""The header under which all pages work."""
_SHARED = Path(__file__).parent / "templates"


def make_environment(
    templates: Path, statics: StaticFolders, stylesheets: tuple[str, ...] = ()
) -> Environment:
    """Return a website's environment, with the shared filters, globals and templates.

    templates: the website's own folder, looked into first. stylesheets: of its own static files,
    after the shared ones. Macros are loaded by :func:`load_macros`.
    """
    made = Environment(
        loader=FileSystemLoader([templates, _SHARED]),
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
        host=filters.host,
        size=filters.size,
        lines=filters.escaped_lines,
    )
    made.globals.update(
        static=statics.url,
        stylesheets=(*STYLESHEETS, *stylesheets),
        scripts=SCRIPTS,
        bar_chart=charts.bars,
        stacked_chart=charts.stacked,
        line_chart=charts.line,
    )
    return made


def load_macros(environment: Environment, own: tuple[str, ...] = ()) -> None:
    """Put the macro files at hand; called once all filters and globals that they need are there."""
    # One after the other: a file of macros sees those before it.
    for name in (*MACROS, *own):
        environment.globals[name] = environment.get_template(f"macros/{name}.html").module


def wants_part(headers: Mapping[str, str]) -> bool:
    """Tell whether a request comes from htmx and asks for a part of a page.

    False for a boosted link and for the restoration of a page from the history: these want
    the whole page. An answer that depends on this must be sent with ``Vary: HX-Request``.
    headers: by names in any case, as a web framework gives them, or in lower case.
    """

    def has(name: str) -> bool:
        return headers.get(name, headers.get(name.lower(), "")) == "true"

    return has("HX-Request") and not has("HX-Boosted") and not has("HX-History-Restore-Request")
