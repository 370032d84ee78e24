"""The steps of an application: each a page of its own, saved as a draft whatever is missing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from countersign.registrar.operations import applications, dossier
from countersign.registrar.operations.office import (
    ConflictError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.particulars import places
from countersign.registrar.particulars.draft import Particulars, form_values
from countersign.registrar.particulars.parsing import StepResult, parse_form
from countersign.registrar.particulars.steps import Step, StepSpec, steps_for
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.owner.progress import first_open, stages, step_after
from countersign.registrar.web.owner.step_forms import (
    highest_index,
    members_of,
    without_member,
)
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import Server

pages = Pages()

_EDIT = Permission.EDIT_APPLICATION
_CITIES = 8
_LONGEST = 100
_COUNT, _CITY = "count", "city"
"""Names in the query: how many repetitions are shown; which cities."""


@pages.get("/servers/{server:key}/application", allow=server_access(_EDIT))
def go_on(visit: Visit, server: int) -> Response:
    """Go to the first step at which something is missing."""
    with visit.reading() as work:
        row = frame.find(work, server)
        step = Step.REVIEW
        if row.state is State.DRAFT:
            lacking = dossier.what_is_missing(work, row)
            step = first_open(dossier.load(work, row.id), lacking)
    return visit.redirect(f"/servers/{server}/application/{step}")


@pages.get("/servers/{server:key}/application/{step}", allow=server_access(_EDIT))
def show_step(visit: Visit, server: int, step: str) -> Response:
    """Show a step's form with what has been saved of it."""
    with visit.reading() as work:
        row = frame.find(work, server)
        particulars = dossier.load(work, row.id)
        spec = _spec(particulars, step)
        values = form_values(particulars, spec.step)
        errors: dict[str, str] = {}
        # Whoever only adds to the form is not told yet what is missing from it.
        is_at_it = visit.query.ticked(_COUNT) or visit.query.ticked(_CITY)
        if spec.step in particulars.unfinished and not is_at_it:
            errors = parse_form(spec.step, values, dossier.checks(work, particulars)).errors
        return _page(visit, work, row, spec, particulars=particulars, values=values, errors=errors)


@pages.post("/servers/{server:key}/application/{step}", allow=server_access(_EDIT))
def save(visit: Visit, server: int, step: str) -> Response:
    """Save a step, and go on; or show it again with what is wrong."""
    form = visit.form.plain()
    actor = visit.actor(_EDIT)
    try:
        with visit.work() as work:
            row = frame.find(work, server)
            spec = _spec(dossier.load(work, row.id), step)
            if spec.repeat is not None and "remove" in form:
                form = without_member(spec, form, visit.form.integer("remove", -1))
            result = applications.save_step(work, actor, row, spec.step, form, is_form=True)
            after = dossier.load(work, row.id)
            is_draft = row.state is State.DRAFT
    except (NotFoundError, ConflictError):
        raise
    except OperationError as error:
        return _again(visit, server, step, form, {"": str(error)})
    here = f"/servers/{server}/application/{spec.step}"
    if is_draft and (where := _elsewhere(visit, spec, result, here)):
        return visit.redirect(where)
    if not result.ok and not (is_draft and visit.form.ticked("later")):
        # As it was read, because the errors go by its numbers: empty repetitions are gone.
        return _again(visit, server, step, result.entered or form, result.errors)
    if not result.ok:
        visit.flash(f"Saved as a draft. At '{spec.title}' something is still missing.", "notice")
        return visit.redirect(f"/servers/{server}")
    visit.flash(f"'{spec.title}' has been saved.")
    if visit.form.ticked("later"):
        return visit.redirect(f"/servers/{server}")
    following = step_after(after, spec.step) if is_draft else Step.REVIEW
    return visit.redirect(f"/servers/{server}/application/{following}")


def _elsewhere(visit: Visit, spec: StepSpec, result: StepResult, here: str) -> str:
    """Return where a button leads that only changes the form; empty: it was another one."""
    if spec.step is Step.LOCATION and visit.form.ticked("look_up"):
        words = visit.form.text(_CITY, 1000)[:_LONGEST]
        return f"{here}?{urlencode({_CITY: words})}#cities"
    if spec.repeat is None or not (visit.form.ticked("add") or visit.form.ticked("remove")):
        return ""
    filled = highest_index(spec, result.entered) + 1
    count = min(filled + visit.form.ticked("add"), spec.repeat.maximum)
    return f"{here}?{urlencode({_COUNT: count})}#member-{max(count, 1)}"


def _again(
    visit: Visit, server: int, step: str, form: dict[str, str], errors: dict[str, str]
) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        particulars = dossier.load(work, row.id)
        spec = _spec(particulars, step)
        return _page(
            visit,
            work,
            row,
            spec,
            particulars=particulars,
            values=form,
            errors=errors,
            code=422,
        )


def _page(
    visit: Visit,
    work: Work,
    row: Server,
    spec: StepSpec,
    *,
    particulars: Particulars,
    values: dict[str, str],
    errors: dict[str, str],
    code: int = 200,
) -> Response:
    lacking = dossier.what_is_missing(work, row) if row.state is State.DRAFT else []
    context: dict[str, Any] = {}
    if spec.step is Step.LOCATION:
        context = _cities(visit, values)
    return frame.show(
        visit,
        "owner/step.html",
        row,
        "/application",
        code=code,
        spec=spec,
        stages=stages(f"/servers/{row.id}", particulars, spec.step, lacking),
        members=members_of(spec, values, errors, visit.query.integer(_COUNT, 1, high=1000)),
        errors=errors,
        all_countries=places.countries(),
        is_draft=row.state is State.DRAFT,
        is_fixed=row.state is not State.DRAFT and spec.step is Step.HOST,
        **context,
    )


@pages.get("/servers/{server:key}/cities", allow=server_access(_EDIT))
def suggest_cities(visit: Visit, server: int) -> Response:
    """Show the cities whose name begins as typed: a part of the page, for htmx."""
    del server
    values = visit.query.plain()
    return visit.render_part("owner/city.html", "cities", **_cities(visit, values))


def _cities(visit: Visit, values: dict[str, str]) -> dict[str, Any]:
    words = (
        visit.query.text(_CITY, 1000)
        or visit.form.text(_CITY, 1000)
        or values.get("address-locality", "")
    )[:_LONGEST]
    number = values.get("city_id", "")
    chosen = places.city_by_id(int(number)) if number.isdecimal() and len(number) < 12 else None
    found = places.search_cities(words, values.get("address-country", "")[:2], _CITIES)
    if chosen is not None and chosen not in found:
        found = [chosen, *found]
    return {
        "cities": [(city.id, _described(city)) for city in found],
        "city_words": words,
        "city_id": chosen.id if chosen is not None else "",
    }


def _described(city: places.City) -> str:
    place = f"{city.subdivision}, " if city.subdivision.isalpha() else ""
    return f"{city.name}, {place}{places.country_name(city.country)}"


def _spec(particulars: Particulars, name: str) -> StepSpec:
    for spec in steps_for(particulars.kind):
        if spec.name == name and spec.model is not None:
            return spec
    raise NotFoundError("This application has no such step.")
