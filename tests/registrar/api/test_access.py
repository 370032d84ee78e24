"""Every route of the API, asked by those whom it is not for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from countersign.registrar.api.app import declarations, make_api
from countersign.registrar.operations.office import Office
from countersign.registrar.web.access import Kind, Standing, Verdict, decide
from countersign.rules.access import SCOPE_WORDS, Scope
from countersign.rules.roles import Role
from tests.registrar.api.programs import PREFIX, Desk, about, good, refused
from tests.registrar.operations import life, treasury
from tests.registrar.replication import publish

ROUTES = list(declarations())
FOR_TOKENS = [one for one in ROUTES if one[2].kind is Kind.TOKEN]
GOOD_BODIES: dict[str, dict[str, Any]] = {
    "/servers": {"hostname": "mail.muller.com.au", "kind": "individual"},
    "/withdrawal": {},
    "/sponsors": {"hostname": "mail.muller.com.au"},
    "/acceptance": {"version": "2026-1", "sha256": "0" * 64},
    "/privileged-users": {"identifier": "17", "accepted_on": "2026-03-01"},
    "/keys": {"purpose": "tls", "content": f"3 1 1 {'ab' * 32}"},
    "/offender-queries": {"purpose": "x", "name": "Max", "birth_date": "1980-01-31"},
    "/steps/{step}": {},
    "/enrolments": {"token": "x", "public_key": f"{'A' * 43}=", "network": "192.0.2.0/24"},
}
sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def filled(path: str, **values: int) -> str:
    """Return a route's path with numbers in it."""
    known = {"step": "owner", "contact": "admin", "hostname": "a.example", "country": "AU"}
    return re.sub(r"{(\w+)}", lambda found: str({**known, **values}.get(found[1], 1)), path)


def options(method: str, path: str) -> dict[str, Any]:
    """Return a request's query and body, as the route wants them."""
    if path.endswith("/documents") and method == "POST":
        return {"params": {"kind": "passport", "subject": "owner"}, "content": b"x"}
    if method in ("POST", "PUT"):
        body = next((body for end, body in GOOD_BODIES.items() if path.endswith(end)), None)
        return {} if body is None else {"json": body}
    return {"params": {"q": "x"}} if path.endswith("/search") else {}


@sqlite_only
class TestEveryRoute:
    def test_turns_away_who_has_no_good_token(self, desk: Desk) -> None:
        stranger = desk.stranger()
        for method, path, _ in FOR_TOKENS:
            where = filled(f"/api{path}")
            with about(f"{method} {path}"):
                for header in ("", "Bearer", f"Bearer csr_{'x' * 43}", "Basic YTpi"):
                    stranger.client.headers["Authorization"] = header
                    refused(stranger.call(method, where, **options(method, path)), 401)
                # Not even what is wrong with a request is a stranger's business.
                wrong = stranger.call(method, where, params={"nonsense": "1"}, content=b"{")
                refused(wrong, 401)

    def test_turns_away_a_token_with_every_scope_but_its_own(
        self, desk: Desk, office: Office
    ) -> None:
        account_id = life.make_account(office)
        lacking = {
            scope: desk.program(account_id, *(one for one in Scope if one is not scope))
            for scope in Scope
        }
        for method, path, access in FOR_TOKENS:
            with about(f"{method} {path}"):
                if access.scope is None:
                    assert path == "/v1/me"
                    continue
                program = lacking[access.scope]
                answer = program.call(method, filled(f"/api{path}"), **options(method, path))
                refused(answer, 403, access.scope)

    def test_hides_what_is_anothers_from_an_owner_with_every_scope(
        self, desk: Desk, office: Office
    ) -> None:
        server_id = treasury.make_active(office)
        program = desk.program(treasury.server_of(office, treasury.make_active(office)).owner_id)
        before = len(treasury.events(office, server_id))
        for method, path, _ in FOR_TOKENS:
            if "{" in path:
                where = filled(f"/api{path}", server=server_id)
                with about(f"{method} {path}"):
                    refused(program.call(method, where, **options(method, path)), 404)
        assert len(treasury.events(office, server_id)) == before

    def test_that_is_for_everybody_wants_no_token(self, desk: Desk, office: Office) -> None:
        publish(office, 42)
        for method, path, access in ROUTES:
            if access.kind is Kind.TOKEN:
                continue
            where = filled(f"/api{path}")
            answer = desk.stranger().call(method, where, **options(method, path))
            with about(f"{method} {path}"):
                if access.kind is Kind.SIGNED:
                    refused(answer, 401, "Refused")
                elif access.kind is Kind.PROBE:
                    refused(answer, 401, "Sign the request")
                elif access.kind is Kind.INVITED:
                    refused(answer, 404, "invitation")
                elif path.startswith("/v1/hosts/"):
                    refused(answer, 404, "never registered")
                else:
                    assert access.kind is Kind.PUBLIC
                    good(answer)


@sqlite_only
def test_no_route_is_there_that_is_not_declared(office: Office) -> None:
    document = make_api(office).openapi()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(method, path) for method, path, _ in declarations()}


@sqlite_only
def test_the_document_says_of_each_route_which_scope_it_wants(desk: Desk) -> None:
    document = good(desk.stranger().get(f"{PREFIX}/openapi.json")).json()
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": "/api"}]
    for method, path, access in declarations():
        operation = document["paths"][path][method.lower()]
        if access.kind is Kind.TOKEN:
            wanted = [str(access.scope)] if access.scope else []
            assert operation["security"] == [{"Token": wanted}]
            assert {"401", "403", "429"} <= set(operation["responses"])
        elif access.kind is Kind.PROBE:
            assert operation["security"] == [{"Probe": []}]
            assert {"401", "429"} <= set(operation["responses"])
        else:
            assert "security" not in operation
        assert operation["summary"]


def test_every_scope_is_explained_and_opens_something() -> None:
    assert set(SCOPE_WORDS) == set(Scope)
    assert {access.scope for *_, access in declarations()} >= set(Scope)


def test_to_a_browser_no_route_of_the_api_is_open() -> None:
    somebody = Standing(frozenset(Role), fresh=True, towards=frozenset(Role))
    for *_, access in declarations():
        if access.kind is not Kind.PUBLIC:
            assert decide(access, somebody) is Verdict.REFUSE
