"""A whole application by API: by an owner, by an agent, step by step."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from PIL import Image

from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.registrar.api.documents import attach_document
from countersign.registrar.operations.documents_of import DOMAIN_AGE
from countersign.registrar.operations.office import Office
from countersign.registrar.particulars.documents import DocumentKind
from countersign.registrar.particulars.steps import Step
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.rules.screening import Verdict
from countersign.storage.database.servers import ApplicantKind
from tests.registrar.api.programs import Desk, Program, good, refused
from tests.registrar.operations import life, treasury

SCAN_OF: dict[str, list[tuple[str, str]]] = {
    "individual": [
        ("owner", "drivers-licence"),
        ("owner", "birth-certificate"),
        ("admin-contact", "passport"),
    ]
}


def scan(shade: int = 90) -> bytes:
    file = io.BytesIO()
    Image.new("L", (120, 80), shade).save(file, "PNG")
    return file.getvalue()


def nested(form: Mapping[str, str]) -> dict[str, Any]:
    """Return a form's values as JSON has them."""
    made: dict[str, Any] = {}
    for key, value in form.items():
        *path, last = key.split("-")
        place = made
        for name in path:
            place = place.setdefault(name, {})
        place[last] = True if value == "on" else value
    return made


def begin(program: Program, **more: str) -> str:
    """Begin an application; return its address."""
    new = {"hostname": life.a_hostname(), "kind": "individual", **more}
    answer = good(program.post("/servers", new), 201)
    made = answer.json()
    assert (made["state"], made["hostname"]) == ("draft", new["hostname"])
    assert answer.headers["Location"] == f"/api/v1/servers/{made['id']}"
    assert good(program.get(answer.headers["Location"])).json() == made
    return f"/servers/{made['id']}"


def fill_in(program: Program, where: str) -> None:
    """Fill an application in, with what is said to be missing."""
    for step, form in life.forms(ApplicantKind.INDIVIDUAL).items():
        shown = good(program.get(f"{where}/steps/{step}")).json()
        assert shown["values"] == {}
        assert shown["schema"]["type"] == "object"
        good(program.put(f"{where}/steps/{step}", nested(form)))
    for number, (subject, kind) in enumerate(SCAN_OF["individual"]):
        params = {"kind": kind, "subject": subject}
        made = program.call(
            "POST",
            f"{where}/documents",
            params=params,
            content=scan(number),
            headers={"Content-Type": "image/png"},
        )
        good(made, 201)


def number_of(where: str) -> int:
    return int(where.rpartition("/")[2])


def test_an_owner_applies_from_beginning_to_submission(
    desk_with_dns: Desk, dns: DnsServer, office: Office
) -> None:
    program = desk_with_dns.program(life.make_account(office, life.OWNER_EMAIL))
    where = begin(program)
    told = good(program.get(f"{where}/missing")).json()
    assert {one["step"] for one in told["missing"]} >= {"owner", "admin-contact", "location"}
    fill_in(program, where)
    told = good(program.get(f"{where}/missing")).json()
    assert told == {"missing": [], "unconfirmed": ["admin"]}
    refused(program.post(f"{where}/submission"), 422, "confirmed")
    life.confirm_contacts(office, number_of(where))
    refused(program.post(f"{where}/submission"), 422, "no address in the DNS")
    hostname = good(program.get(where)).json()["hostname"]
    dns.set(hostname, "A", "192.0.2.1")
    handed_in = good(program.post(f"{where}/submission")).json()
    assert handed_in["state"] == "submitted"
    assert handed_in["submitted_at"] == "2026-03-02T09:00:00Z"
    events = good(program.get(f"{where}/events")).json()["items"]
    assert events[0]["action"] == "submit"
    assert treasury.state_of(office, number_of(where)) is State.SUBMITTED
    refused(program.post(f"{where}/submission"), 422, "already")
    refused(program.put(f"{where}/steps/directory", {}), 422, "being checked")


def test_an_application_waits_while_the_dns_does_not_answer(
    desk_with_dns: Desk, dns: DnsServer, office: Office
) -> None:
    server_id = life.make_draft(office)
    life.confirm_contacts(office, server_id)
    server = treasury.server_of(office, server_id)
    program = desk_with_dns.program(server.owner_id)
    dns.misbehave(server.hostname, Behaviour.SERVFAIL)
    refused(program.post(f"/servers/{server_id}/submission", key="k"), 503, "later")
    dns.remove(server.hostname)
    dns.set(server.hostname, "AAAA", "2001:db8::1")
    good(program.post(f"/servers/{server_id}/submission", key="k"))


def test_an_agent_applies_for_somebody_who_is_invited(desk: Desk, office: Office) -> None:
    agent = life.make_account(office, "agent@helpers.com.au", Role.AGENT)
    program = desk.program(agent)
    where = begin(program, owner_email="new@muller.com.au", owner_name="Nadia New")
    assert len(treasury.letters(office, "confirm-contact")) == 1
    assert good(program.get(f"{where}/missing")).json()["unconfirmed"] == ["account"]
    fill_in(program, where)
    server = treasury.server_of(office, number_of(where))
    assert server.agent_id == agent != server.owner_id
    assert "account" in good(program.get(f"{where}/missing")).json()["unconfirmed"]


def test_only_agents_apply_for_others(desk: Desk, office: Office) -> None:
    program = desk.program(life.make_account(office))
    new = {"hostname": life.a_hostname(), "kind": "individual", "owner_email": "a@muller.com.au"}
    refused(program.post("/servers", new), 403, "agents")


@pytest.mark.parametrize("hostname", ["x", "-a.com.au", "mail.example", "192.0.2.1", "a..b.com"])
def test_a_host_that_cannot_be_registered_is_refused(desk: Desk, hostname: str) -> None:
    program = desk.program(life.make_account(desk.office))
    refused(program.post("/servers", {"hostname": hostname, "kind": "individual"}), 422)


def test_a_step_with_a_wrong_field_says_which_and_saves_nothing(desk: Desk, office: Office) -> None:
    program = desk.program(life.make_account(office))
    where = begin(program)
    values = nested(life.forms()[Step.OWNER])
    good(program.put(f"{where}/steps/owner", values))
    before = good(program.get(f"{where}/steps/owner"))
    worse = {**values, "phone": "12", "height": 3}
    told = refused(program.put(f"{where}/steps/owner", worse), 422)
    assert {one["field"] for one in told["faults"]} == {"phone", "height"}
    assert good(program.get(f"{where}/steps/owner")).content == before.content


def test_steps_without_fields_or_of_no_such_name_are_not_found(desk: Desk, office: Office) -> None:
    program = desk.program(life.make_account(office))
    where = begin(program)
    for step in ("documents", "review", "nothing"):
        refused(program.get(f"{where}/steps/{step}"), 404)
        refused(program.put(f"{where}/steps/{step}", {}), 404)


def test_what_has_changed_since_it_was_read_is_not_written_over(desk: Desk, office: Office) -> None:
    program = desk.program(life.make_account(office))
    where = f"{begin(program)}/steps/location"
    values = nested(life.forms()[Step.LOCATION])
    seen = good(program.get(where)).headers["ETag"]
    saved = good(program.put(where, values, headers={"If-Match": seen}))
    refused(program.put(where, values, headers={"If-Match": seen}), 412, "read it again")
    now = good(program.get(where)).headers["ETag"]
    assert saved.headers["ETag"] == now != seen
    refused(program.put(where, values, headers={"If-Match": f"W/{now}"}), 412)
    good(program.put(where, values, headers={"If-Match": f'"other", {now}'}))
    good(program.put(where, values, headers={"If-Match": "*"}))


def test_scans_are_listed_and_removed_but_never_shown(desk: Desk, office: Office) -> None:
    server_id = life.make_draft(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}/documents"
    items = good(program.get(where)).json()["items"]
    assert len(items) == 3
    assert set(items[0]) == {
        *("id", "kind", "subject", "content_type", "size", "sha256", "pages", "uploaded_at")
    }
    refused(program.get(f"{where}/{items[0]['id']}"), 405)
    good(program.delete(f"{where}/{items[0]['id']}"), 204)
    refused(program.delete(f"{where}/{items[0]['id']}"), 404)
    assert len(good(program.get(where)).json()["items"]) == 2
    other = life.make_draft(office)
    foreign = good(program.get(f"/servers/{other}/documents")).json()["items"][0]["id"]
    refused(program.delete(f"{where}/{foreign}"), 404)


def test_a_scan_may_be_as_large_as_configured(desk: Desk, office: Office) -> None:
    server_id = life.make_draft(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where, params = f"/servers/{server_id}/documents", {"kind": "passport", "subject": "owner"}
    limit = office.config.security.upload_size
    # Two megabytes of noise: more than other addresses take, and no scan.
    large = b"x" * 2_000_000
    refused(program.call("POST", where, params=params, content=large), 422)
    refused(program.call("POST", where, params=params, content=b"x" * (limit + 1)), 413)
    refused(program.call("POST", where, params=params, content=b""), 400)
    stranger = desk.program(life.make_account(office))
    refused(stranger.call("POST", where, params=params, content=large), 404)


def test_a_scan_that_is_not_asked_for_is_refused(desk: Desk, office: Office) -> None:
    server_id = life.make_draft(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}/documents"
    for kind, subject, code in (
        ("passport", "owner", 422),
        ("birth-certificate", "nobody", 422),
        ("diploma", "owner", 400),
    ):
        params = {"kind": kind, "subject": subject}
        refused(program.call("POST", where, params=params, content=scan()), code)


def test_every_kind_of_scan_can_be_named() -> None:
    kind = attach_document.__annotations__["kind"]
    if isinstance(kind, str):
        kind = eval(kind, attach_document.__globals__)
    kinds, fixed = get_args(get_args(kind)[0])
    assert (kinds, get_args(fixed)) == (DocumentKind, (DOMAIN_AGE,))


def test_a_contact_can_be_written_to_again(desk: Desk, office: Office, clock: Any) -> None:
    server_id = life.make_draft(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}/contacts"
    refused(program.post(f"{where}/admin/letters"), 422, "wait")
    before = len(treasury.letters(office))
    clock.advance(minutes=3)
    good(program.post(f"{where}/admin/letters"), 204)
    assert len(treasury.letters(office)) == before + 1
    refused(program.post(f"{where}/account/letters"), 422, "confirmed already")
    refused(program.post(f"{where}/mother/letters"), 404)


def test_withdrawing_twice_is_withdrawing(desk: Desk, office: Office) -> None:
    server_id = life.make_draft(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}/withdrawal"
    first = good(program.post(where, {"reason": "Changed my mind."})).json()
    assert first["state"] == "withdrawn"
    assert good(program.post(where, {})).json() == first
    assert len(treasury.events(office, server_id, "withdraw")) == 1
    assert good(program.get(f"/servers/{server_id}/documents")).json()["items"] == []


def test_what_is_denied_cannot_be_withdrawn(desk: Desk, office: Office) -> None:
    server_id = life.make_screened(office, verdict=Verdict.DENY)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    refused(program.post(f"/servers/{server_id}/withdrawal", {}), 422, "denied")


def test_a_test_may_be_asked_for_now_and_then(desk: Desk, office: Office, clock: Any) -> None:
    draft = life.make_draft(office)
    server_id = treasury.make_active(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}/tests"
    made = good(program.post(where), 202).json()
    assert (made["cause"], made["verdict"], made["ended_at"]) == ("owner", "", None)
    assert treasury.jobs(office, "test")[-1] == {"run": made["id"]}
    refused(program.post(where), 422, "wait")
    life.pass_test(office, server_id)
    clock.advance(minutes=11)
    good(program.post(where), 202)
    runs = program.pages(where, 1)
    assert [[one["cause"] for one in page] for page in runs] == [
        ["owner"],
        ["owner"],
        ["application"],
    ]
    owner_of_draft = desk.program(treasury.server_of(office, draft).owner_id)
    refused(owner_of_draft.post(f"/servers/{draft}/tests"), 422, "screened")
