"""Who has copies of the zone, how far each is, and what is known of each (DESIGN §7)."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from countersign.registrar.operations import secondaries, secondary_keys
from countersign.registrar.operations.office import OperationError
from countersign.registrar.operations.secondaries import Condition
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.queries.secondaries import (
    TROUBLE,
    duration,
    status_of,
    statuses,
    versions_by_hour,
    zone_status,
)
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff.secondary_keys import show_key
from countersign.registrar.web.visit import Visit
from countersign.registry.transfer.keys import ALGORITHMS
from countersign.rules.access import Permission
from countersign.storage.database.replication import SecondaryKind

pages = Pages()

_LIST = "/staff/secondaries"
_ONE = _LIST + "/{secondary:key}"
_SEE = staff(Permission.SEE_SECONDARIES)
_MANAGE = staff(Permission.MANAGE_SECONDARIES, fresh=True)
_TONES = {
    Condition.UP_TO_DATE: "good",
    Condition.CATCHING_UP: "info",
    Condition.BEHIND: "bad",
    Condition.AHEAD: "bad",
    Condition.ERROR: "warn",
    Condition.NEVER_SEEN: "neutral",
}
_KINDS = [
    (SecondaryKind.SECONDARY, "Secondary", "A public name server: Knot, NSD or BIND."),
    (
        SecondaryKind.SIGNER,
        "Secondary that signs",
        "A public name server that signs the zone with DNSSEC; the others follow it.",
    ),
    (SecondaryKind.REPLICA, "Replica", "The copy of a gateway's host."),
]


@pages.get(_LIST, allow=_SEE)
def show_list(visit: Visit) -> Response:
    """Show how far each is, those in trouble first; htmx asks for what changes each few seconds."""
    with visit.reading() as work:
        context: dict[str, Any] = {
            "zone": zone_status(work),
            "found": sorted(statuses(work), key=lambda one: one.condition not in TROUBLE),
            "tones": _TONES,
            "duration": duration,
        }
        if visit.wants_part:
            return visit.render_part("staff/secondaries.html", "live", **context)
        hours = versions_by_hour(work)
    return visit.render("staff/secondaries.html", hours=hours, **context)


@pages.get(_LIST + "/add", allow=_MANAGE)
def show_add(visit: Visit) -> Response:
    """Ask for the name and place of a new one."""
    return _form(visit, "")


@pages.post(_LIST + "/add", allow=_MANAGE)
def add(visit: Visit) -> Response:
    """Add one, and show its first key, once."""
    form = visit.form
    try:
        with visit.work() as work:
            actor = visit.actor(Permission.MANAGE_SECONDARIES)
            added, key = secondaries.add(
                work, actor, form.text("name", 64), _details(visit), form.text("algorithm", 32)
            )
            secondary_id, name = added.id, added.name
    except OperationError as error:
        return _form(visit, str(error))
    return show_key(visit, secondary_id, name, key)


@pages.get(_ONE, allow=_SEE)
def show_one(visit: Visit, secondary: int) -> Response:
    """Show one with its keys, without their secrets."""
    with visit.reading() as work:
        found = secondaries.look_at(work, visit.actor(Permission.SEE_SECONDARIES), secondary)
        keys = secondary_keys.keys_of(work, secondary)
        return visit.render(
            "staff/secondary.html",
            one=status_of(work, found),
            zone=zone_status(work),
            keys=[(key, secondary_keys.is_good(work, key)) for key in keys],
            algorithms=[(name, name) for name in ALGORITHMS],
            overlap=work.config.primary.key_overlap_hours,
            primary=work.config.primary.listen,
            zone_name=work.config.zone,
            tones=_TONES,
            duration=duration,
        )


@pages.get(_ONE + "/change", allow=_MANAGE)
def show_change(visit: Visit, secondary: int) -> Response:
    """Show what is known of one, to be changed."""
    return _form(visit, "", secondary)


@pages.post(_ONE + "/change", allow=_MANAGE)
def change(visit: Visit, secondary: int) -> Response:
    """Change what is known of one."""
    try:
        with visit.work() as work:
            actor = visit.actor(Permission.MANAGE_SECONDARIES)
            secondaries.change(work, actor, secondary, _details(visit))
    except OperationError as error:
        return _form(visit, str(error), secondary)
    visit.flash("Changed.")
    return visit.redirect(f"{_LIST}/{secondary}")


@pages.post(_ONE + "/remove", allow=_MANAGE)
def remove(visit: Visit, secondary: int) -> Response:
    """Remove one: its keys are refused at once."""
    with visit.work() as work:
        secondaries.remove(work, visit.actor(Permission.MANAGE_SECONDARIES), secondary)
    visit.flash("Removed: its keys are refused from now on.")
    return visit.redirect(_LIST)


def _details(visit: Visit) -> Details:
    form = visit.form
    try:
        kind = SecondaryKind(form.text("kind", 32))
    except ValueError:
        raise OperationError("Choose what it is.") from None
    notify = [one for one in re.split(r"[\s,]+", form.text("notify", 1000)) if one]
    return Details(
        kind, form.text("place", 300), form.text("contact", 300), notify, form.text("ask", 100)
    )


def _form(visit: Visit, error: str, secondary: int = 0) -> Response:
    values = visit.form.plain()
    name = ""
    if secondary:
        with visit.reading() as work:
            found = secondaries.look_at(work, visit.actor(Permission.SEE_SECONDARIES), secondary)
        name = found.name
        values = values or {
            "kind": found.kind,
            "place": found.place,
            "contact": found.contact,
            "notify": "\n".join(found.notify),
            "ask": found.ask,
        }
    return visit.render(
        "staff/secondary_form.html",
        code=422 if error else 200,
        secondary=secondary,
        name=name,
        values=values,
        kinds=_KINDS,
        algorithms=[(one, one) for one in ALGORITHMS],
        errors={"": error} if error else {},
    )
