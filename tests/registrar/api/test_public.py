"""What everybody may ask: hosts, the directory by region, figures; page by page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from countersign.registrar.operations.office import Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.queries.paging import LARGEST_PAGE
from countersign.rules.access import Scope
from countersign.storage.database.replication import SecondaryKind
from countersign.storage.database.servers import Server
from tests.registrar.api.programs import Desk, Program, good, refused
from tests.registrar.operations import life, treasury
from tests.registrar.replication import add_secondary, note_state, publish


@pytest.fixture
def anybody(desk: Desk) -> Program:
    return desk.stranger()


def make_listed(office: Office, number: int, **where: str) -> int:
    """Return an active server with a name in the directory."""
    server_id = treasury.make_active(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server.display_name = f"Müller Mail {number:02}"
        server.display_key = f"muller mail {number:02}"
        for name, value in where.items():
            setattr(server, name, value)
    return server_id


def numbers(pages: Sequence[Sequence[dict[str, Any]]], key: str) -> list[Any]:
    return [one[key] for page in pages for one in page]


def test_a_host_tells_how_it_stands_and_since_when(
    office: Office, anybody: Program, clock: Any
) -> None:
    server_id = treasury.make_active(office)
    server = treasury.server_of(office, server_id)
    for name in (server.hostname, server.hostname.upper(), f"{server.hostname}."):
        told = good(anybody.get(f"/hosts/{name}")).json()
        assert (told["hostname"], told["state"], told["listed"]) == (
            server.hostname,
            "active",
            True,
        )
        assert told["registered_on"] == "2026-03-02"
        assert [one["to_state"] for one in told["history"]] == ["active"]


def test_applications_are_nobodys_business(office: Office, anybody: Program) -> None:
    server = treasury.server_of(office, life.make_submitted(office))
    hidden = refused(anybody.get(f"/hosts/{server.hostname}"), 404)
    assert hidden == refused(anybody.get("/hosts/mail.nobody.com.au"), 404)
    refused(anybody.get("/hosts/not_a-host..name"), 404, "not a host name")


def test_a_host_is_not_sent_again_until_it_changes(office: Office, anybody: Program) -> None:
    server_id = treasury.make_active(office)
    path = f"/hosts/{treasury.server_of(office, server_id).hostname}"
    tag = good(anybody.get(path)).headers["ETag"]
    known = {"If-None-Match": tag}
    good(anybody.get(path, headers=known), 304)
    treasury.withdraw(office, server_id)
    told = good(anybody.get(path, headers=known)).json()
    assert (told["state"], told["listed"]) == ("withdrawn", False)


def test_the_directory_goes_from_region_to_country_to_city_to_servers(
    office: Office, anybody: Program
) -> None:
    for _ in range(2):
        treasury.make_active(office)
    (region,) = good(anybody.get("/directory/regions")).json()["items"]
    assert region == {"region": "OC", "name": "Oceania", "servers": 2, "providers": 0}
    (country,) = good(anybody.get("/directory/countries", params={"region": "OC"})).json()["items"]
    assert (country["country"], country["name"], country["servers"]) == ("AU", "Australia", 2)
    assert good(anybody.get("/directory/countries")).json()["items"] == [country]
    assert good(anybody.get("/directory/countries", params={"region": "EU"})).json()["items"] == []
    refused(anybody.get("/directory/countries", params={"region": "Europe"}), 400)
    (city,) = good(anybody.get("/directory/countries/AU/cities")).json()["items"]
    assert (city["city"], city["servers"]) == ("Perth", 2)
    servers = "/directory/countries/AU/servers"
    assert len(good(anybody.get(servers, params={"city": "Perth"})).json()["items"]) == 2
    assert good(anybody.get(servers, params={"city": "Sydney"})).json()["items"] == []
    refused(anybody.get("/directory/countries/au/cities"), 404)


@pytest.mark.parametrize("limit", [1, 3, 7, LARGEST_PAGE])
def test_the_directory_in_pages_loses_none_and_shows_none_twice(
    office: Office, anybody: Program, limit: int
) -> None:
    # Several of one name: the key alone tells them apart.
    made = [make_listed(office, number // 2) for number in range(7)]
    names = {treasury.server_of(office, one).hostname for one in made}
    for path in ("/directory/countries/AU/servers", "/directory/search?q=MULLER"):
        shown = []
        cursor = None
        for _ in itertools.count():
            more = {"limit": limit, **({"cursor": cursor} if cursor else {})}
            if "?" in path:
                more["q"] = "MÜLLER"
            page = good(anybody.get(path.partition("?")[0], params=more)).json()
            assert len(page["items"]) <= limit
            shown += [one["hostname"] for one in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(shown) == len(names)
        assert set(shown) == names


def test_a_server_that_joins_between_two_pages_moves_no_other(
    office: Office, anybody: Program
) -> None:
    made = [make_listed(office, number) for number in (1, 3, 5, 7)]
    path = "/directory/countries/AU/servers"
    first = good(anybody.get(path, params={"limit": 2})).json()
    make_listed(office, 2)
    make_listed(office, 6)
    rest = good(anybody.get(path, params={"limit": 10, "cursor": first["next"]})).json()
    shown = [one["display_name"][-2:] for page in (first, rest) for one in page["items"]]
    assert shown == ["01", "03", "05", "06", "07"]
    assert len(made) == 4


def test_ones_own_servers_and_their_events_come_in_pages(desk: Desk, office: Office) -> None:
    owner = life.make_account(office)
    made = [life.make_draft(office, owner=owner, complete=False) for _ in range(5)]
    life.make_draft(office)
    program = desk.program(owner, Scope.READ_SERVERS)
    pages = program.pages("/servers", 2)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert numbers(pages, "id") == made
    server_id = treasury.make_active(office, owner=owner)
    whole = good(program.get(f"/servers/{server_id}/events")).json()["items"]
    pages = program.pages(f"/servers/{server_id}/events", 2)
    assert [one for page in pages for one in page] == whole
    assert numbers(pages, "id") == sorted(numbers(pages, "id"), reverse=True)


def test_figures_and_lists_have_tags(desk: Desk, office: Office) -> None:
    server_id = treasury.make_active(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}"
    for path in (
        *("/figures", "/me", "/servers", "/directory/regions", "/directory/countries"),
        *("/directory/countries/AU/cities", "/directory/countries/AU/servers", "/sponsorships"),
        *(where, f"{where}/events", f"{where}/tests", f"{where}/missing", f"{where}/documents"),
        *(f"{where}/sponsors", f"{where}/dues", f"{where}/invoices", f"{where}/traps"),
        *(f"{where}/keys", f"{where}/privileged-users", f"{where}/steps/owner"),
    ):
        answer = good(program.get(path))
        assert answer.headers["Cache-Control"] == "private, no-cache"
        again = program.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        good(again, 304)


def test_the_zone_and_its_name_servers_are_told(office: Office, anybody: Program) -> None:
    refused(anybody.get("/zone"), 404, "Nothing has been published yet")
    publish(office, 41, ago=100)
    publish(office, 42, ago=5, records=1234)
    details = Details(place="Lima", contact="noc@muller.com.au", notify=["192.0.2.1:53"])
    states: dict[str, dict[str, Any]] = {
        "lima": {"serial": 42, "address": "192.0.2.1"},
        "perth": {"serial": 41, "error": "BADSIG"},
        "quito": {"error": "BADSIG"},
    }
    for name, columns in states.items():
        note_state(office, add_secondary(office, name, details)[0], **columns)
    add_secondary(office, "replica-1", Details(SecondaryKind.REPLICA))
    answer = good(anybody.get("/zone"))
    told = answer.json()
    assert (told["zone"], told["serial"], told["records"]) == ("registry.example", 42, 1234)
    current = {one["name"]: one["is_current"] for one in told["secondaries"]}
    assert current == {"lima": True, "perth": False, "quito": None}
    for secret in ("192.0.2.1", "noc@", "BADSIG", "replica-1"):
        assert secret not in answer.text
