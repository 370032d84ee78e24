"""The TSIG keys of a secondary: issued, rotated, revoked, shown again (RFC 8945)."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import secondaries, secondary_keys
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.registry.transfer.keys import TsigKey
from countersign.rules.access import Permission

pages = Pages()

_ONE = "/staff/secondaries/{secondary:key}"
_MANAGE = staff(Permission.MANAGE_SECONDARIES, fresh=True)


@pages.post(_ONE + "/keys/issue", allow=_MANAGE)
def issue(visit: Visit, secondary: int) -> Response:
    """Make a further key, and show it once."""
    with visit.work() as work:
        actor = visit.actor(Permission.MANAGE_SECONDARIES)
        key = secondary_keys.issue(work, actor, secondary, visit.form.text("algorithm", 32))
        name = secondaries.look_at(work, actor, secondary).name
    return show_key(visit, secondary, name, key)


@pages.post(_ONE + "/keys/rotate", allow=_MANAGE)
def rotate(visit: Visit, secondary: int) -> Response:
    """Make a key in place of the others, and show it once."""
    with visit.work() as work:
        actor = visit.actor(Permission.MANAGE_SECONDARIES)
        key = secondary_keys.rotate(work, actor, secondary, visit.form.text("algorithm", 32))
        name = secondaries.look_at(work, actor, secondary).name
    return show_key(visit, secondary, name, key)


@pages.post(_ONE + "/keys/{key:key}/revoke", allow=_MANAGE)
def revoke(visit: Visit, secondary: int, key: int) -> Response:
    """Make a key worthless."""
    with visit.work() as work:
        secondary_keys.revoke(work, visit.actor(Permission.MANAGE_SECONDARIES), secondary, key)
    visit.flash("The key has been revoked.")
    return visit.redirect(f"/staff/secondaries/{secondary}")


@pages.post(_ONE + "/keys/{key:key}/reveal", allow=_MANAGE)
def reveal(visit: Visit, secondary: int, key: int) -> Response:
    """Show a key with its secret once more; the look is recorded first."""
    with visit.work() as work:
        actor = visit.actor(Permission.MANAGE_SECONDARIES)
        found = secondary_keys.reveal(work, actor, secondary, key)
        name = secondaries.look_at(work, actor, secondary).name
    return show_key(visit, secondary, name, found, is_new=False)


def show_key(
    visit: Visit, secondary: int, name: str, key: TsigKey, *, is_new: bool = True
) -> Response:
    """Show a key with its secret: in an answer to a form only, which no browser keeps."""
    response = visit.render(
        "staff/secondary_key.html",
        secondary=secondary,
        name=name,
        key=key,
        line=f"{key.algorithm}:{key.name}:{key.encoded}",
        is_new=is_new,
    )
    response.headers["Cache-Control"] = "no-store"
    return response
