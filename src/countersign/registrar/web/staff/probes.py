"""The probes that test servers from other networks: invited, seen, revoked (DESIGN §8)."""

from __future__ import annotations

from starlette.responses import Response

from countersign.certification.authorization import fingerprint
from countersign.certification.signing import read_public
from countersign.registrar.operations import probes
from countersign.registrar.operations.office import OperationError
from countersign.registrar.queries.probes import Condition, shortage, status_of, statuses
from countersign.registrar.queries.secondaries import duration
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()

_LIST = "/staff/probes"
_ONE = _LIST + "/{probe:key}"
_SEE = staff(Permission.SEE_PROBES)
_MANAGE = staff(Permission.MANAGE_PROBES, fresh=True)
_TONES = {
    Condition.WELL: "good",
    Condition.SILENT: "bad",
    Condition.INVITED: "info",
    Condition.LAPSED: "neutral",
}
_MOST_DIGITS = 10


@pages.get(_LIST, allow=_SEE)
def show_list(visit: Visit) -> Response:
    """Show where each stands, when it was last seen, and what it has to do."""
    with visit.reading() as work:
        return visit.render(
            "staff/probes.html",
            found=statuses(work),
            warning=shortage(work),
            tones=_TONES,
            duration=duration,
        )


@pages.get(_LIST + "/invite", allow=_MANAGE)
def show_invite(visit: Visit) -> Response:
    """Ask where a new one will stand."""
    return _form(visit, "")


@pages.post(_LIST + "/invite", allow=_MANAGE)
def invite(visit: Visit) -> Response:
    """Invite one, and show its one-time token, once."""
    form = visit.form
    try:
        with visit.work() as work:
            probe, token = probes.invite(
                work,
                visit.actor(Permission.MANAGE_PROBES),
                name=form.text("name", 64),
                network=form.text("network", 64),
                as_number=_as_number(form.text("as_number", 32)),
                place=form.text("place", 255),
            )
            number, name = probe.id, probe.name
            network, as_number, ends = probe.network, probe.as_number, probe.token_ends_at
    except OperationError as error:
        return _form(visit, str(error))
    command = (
        f"countersign probe enrol --registrar {visit.office.config.url} --token {token} "
        f"--network {network}"
    )
    if as_number is not None:
        command += f" --as {as_number}"
    response = visit.render(
        "staff/probe_token.html", probe=number, name=name, command=command, ends=ends
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.get(_ONE, allow=_SEE)
def show_one(visit: Visit, probe: int) -> Response:
    """Show what is known of one."""
    with visit.reading() as work:
        found = probes.look_at(work, visit.actor(Permission.SEE_PROBES), probe)
        key = fingerprint(read_public(found.public_key)) if found.public_key else ""
        return visit.render(
            "staff/probe.html",
            one=status_of(work, found),
            key=key,
            tones=_TONES,
            duration=duration,
        )


@pages.post(_ONE + "/revoke", allow=_MANAGE)
def revoke(visit: Visit, probe: int) -> Response:
    """Take one out: its key and orders end at once."""
    with visit.work() as work:
        actor = visit.actor(Permission.MANAGE_PROBES)
        probes.revoke(work, actor, probes.look_at(work, actor, probe))
    visit.flash("Revoked: its key is good for nothing any more.")
    return visit.redirect(_LIST)


def _as_number(text: str) -> int | None:
    plain = text.strip().upper().removeprefix("AS").strip()
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) <= _MOST_DIGITS):
        raise OperationError("Write the AS number in digits, for instance 64500.")
    return int(plain)


def _form(visit: Visit, error: str) -> Response:
    return visit.render(
        "staff/probe_form.html",
        code=422 if error else 200,
        values=visit.form.plain(),
        errors={"": error} if error else {},
    )
