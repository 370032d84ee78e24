"""The whole application on one page: what is there, what is missing; and its submission."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from countersign.registrar import dns_presence
from countersign.registrar.operations import applications, contacts, documents_of, dossier
from countersign.registrar.operations.office import (
    ConflictError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.particulars.contact import show_phone
from countersign.registrar.particulars.draft import Missing, Particulars, form_values
from countersign.registrar.particulars.places import city_by_id, country_name
from countersign.registrar.particulars.steps import FieldSpec, Step, StepSpec, steps_for
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.event_words import CONTACTS
from countersign.registrar.web.owner import frame
from countersign.registrar.web.owner.progress import stages
from countersign.registrar.web.owner.step_forms import members_of
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import LIVE, Need, State
from countersign.storage.database.servers import Server

pages = Pages()

_EDIT = Permission.EDIT_APPLICATION
_CHANGEABLE = LIVE - {State.SUBMITTED}


@dataclass(frozen=True, slots=True)
class Section:
    """What was entered at one step."""

    spec: StepSpec
    url: str
    """Where it is changed; empty: it cannot be now."""
    lists: list[tuple[str, list[tuple[str, str]]]]
    """Headings with labels and values below them."""
    missing: list[Missing]


@dataclass(frozen=True, slots=True)
class Contact:
    """An e-mail address of the application."""

    key: str
    label: str
    address: str
    is_confirmed: bool


@pages.get("/servers/{server:key}/application/review", allow=server_access(_EDIT))
def show_review(visit: Visit, server: int) -> Response:
    """Show all that was entered, and what is missing."""
    return _page(visit, server, "")


@pages.post("/servers/{server:key}/application/review", allow=server_access(_EDIT))
def submit(visit: Visit, server: int) -> Response:
    """Ask the DNS for the host, and hand the application in."""
    asks = partial(dns_presence.has_address, settings=visit.office.config.certification)
    try:
        applications.submit(
            visit.office,
            visit.actor(_EDIT),
            server,
            asks,
            seen_version=visit.form.integer("version", 0),
        )
    except (NotFoundError, ConflictError):
        raise
    except OperationError as error:
        return _page(visit, server, str(error), code=422)
    visit.flash("The application has been submitted. You will be written to at each step.")
    return visit.redirect(f"/servers/{server}")


@pages.post("/servers/{server:key}/contacts/{contact}", allow=server_access(_EDIT))
def write_again(visit: Visit, server: int, contact: str) -> Response:
    """Send a contact the letter with the link once more."""
    if contact not in CONTACTS:
        raise NotFoundError("There is no such contact.")
    with visit.work() as work:
        contacts.ask_again(work, visit.actor(_EDIT), frame.find(work, server), contact)
    visit.flash("The letter is on its way.")
    return visit.redirect(f"/servers/{server}/application/review#contacts")


def _page(visit: Visit, server: int, refused: str, code: int = 200) -> Response:
    with visit.reading() as work:
        row = frame.find(work, server)
        particulars = dossier.load(work, row.id)
        is_draft = row.state is State.DRAFT
        lacking = dossier.what_is_missing(work, row) if is_draft else []
        addresses = contacts_of(work, row, particulars)
        scans = documents_of.documents_of(work, row)
    base = f"/servers/{row.id}"
    unconfirmed = [one for one in addresses if not one.is_confirmed]
    return frame.show(
        visit,
        "owner/review.html",
        row,
        "/application",
        code=code,
        stages=stages(base, particulars, Step.REVIEW, lacking),
        sections=list(_sections(base, row, particulars, lacking)),
        lacking=lacking,
        contacts=addresses,
        unconfirmed=unconfirmed,
        scans=[(one, documents_of.label_of(one.kind)) for one in scans],
        is_draft=is_draft,
        refused=_reasons(refused),
        no_address=Need.IN_DNS.value.lower() in refused.lower(),
        by_agent=row.agent_id == visit.me.account_id,
    )


def contacts_of(work: Work, server: Server, particulars: Particulars) -> list[Contact]:
    """Return the e-mail addresses of an application, and whether each is confirmed."""
    unconfirmed = set(dossier.unconfirmed_contacts(work, server))
    addresses = dossier.contact_addresses(work, server, particulars)
    return [
        Contact(key, CONTACTS[key], address, key not in unconfirmed)
        for key, address in addresses.items()
    ]


def _reasons(text: str) -> list[str]:
    parts = (part.strip().rstrip(".") for part in text.split("; "))
    return [f"{part[:1].upper()}{part[1:]}." for part in parts if part]


def _sections(
    base: str, server: Server, particulars: Particulars, lacking: list[Missing]
) -> Iterator[Section]:
    for spec in steps_for(particulars.kind):
        if spec.model is None:
            continue
        fixed = server.state is not State.DRAFT and (
            spec.step is Step.HOST or server.state not in _CHANGEABLE
        )
        yield Section(
            spec,
            "" if fixed else f"{base}/application/{spec.name}",
            list(_lists(spec, form_values(particulars, spec.step))),
            [one for one in lacking if one.step is spec.step],
        )


def _lists(spec: StepSpec, values: dict[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    if not values:
        return
    for member in members_of(spec, values, {}):
        head = f"{spec.repeat.label} {member.number + 1}" if spec.repeat is not None else ""
        for group in member.groups:
            pairs = [
                (one.spec.label, _shown(one.spec, one.value)) for row in group.rows for one in row
            ]
            filled = [(label, value) for label, value in pairs if value]
            if filled:
                yield " – ".join(part for part in (head, group.label) if part), filled
    city = values.get("city_id", "")
    if spec.step is Step.LOCATION and city.isdecimal() and (found := city_by_id(int(city))):
        yield "City on the map", [("City", f"{found.name}, {country_name(found.country)}")]


def _shown(spec: FieldSpec, value: str) -> str:
    if spec.kind == "checkbox":
        return "Yes" if value else "No"
    if spec.kind == "tel":
        return show_phone(value)
    if spec.kind == "country":
        return country_name(value) if value else ""
    return dict(spec.choices).get(value, value)
