"""What goes wrong is told as problem details, whichever layer finds it; and never personally."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from countersign.registrar.api import public
from countersign.registrar.api.app import make_api
from countersign.registrar.operations.office import Office
from countersign.registrar.web.app import make_app
from countersign.rules.access import Scope
from tests.registrar.api.programs import Desk, Program, good, refused
from tests.registrar.operations import life, treasury

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def program(desk: Desk) -> Program:
    return desk.program(life.make_account(desk.office))


@sqlite_only
class TestAddresses:
    def test_an_unknown_one_is_not_found(self, program: Program) -> None:
        for path in ("/nothing", "/servers/", "/api/v2/servers", "/api/", "/api//v1/servers"):
            refused(program.get(path), 404)

    def test_a_key_that_is_none_is_not_found(self, program: Program) -> None:
        for key in ("0", "-1", "x", "1.5", "9007199254740992", "9" * 5000, "%00", "1%2F2"):
            refused(program.get(f"/servers/{key}"), 404)

    def test_a_wrong_method_is_told_the_right_ones(self, program: Program) -> None:
        answer = program.delete("/servers")
        refused(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD, POST"
        assert program.call("PATCH", "/figures").headers["Allow"] == "GET, HEAD"
        assert program.call("HEAD", "/payment-notices").headers["Allow"] == "POST"

    def test_the_head_of_what_can_be_got_can_be_asked_for_alone(self, program: Program) -> None:
        whole = good(program.get("/figures"))
        with capture_logs() as logs:
            head = good(program.call("HEAD", "/figures"))
        assert head.content == b""
        for name in ("ETag", "Content-Type", "Content-Length"):
            assert head.headers[name] == whole.headers[name]
        assert [one["method"] for one in logs] == ["HEAD"]
        assert program.call("HEAD", "/servers/1").status_code == 404

    def test_an_unknown_parameter_is_told_which_are_known(self, program: Program) -> None:
        told = refused(program.get("/servers", params={"limti": 3}), 400)
        assert told["faults"] == [
            {"field": "query", "reason": "Parameters that are known here: cursor, limit."}
        ]

    @pytest.mark.parametrize("limit", ["0", "201", "x", "", "9" * 30])
    def test_a_page_has_one_to_two_hundred_items(self, program: Program, limit: str) -> None:
        told = refused(program.get("/servers", params={"limit": limit}), 400)
        assert told["faults"][0]["field"] == "query.limit"

    @pytest.mark.parametrize(
        "cursor", ["x", "bnVsbA", "WzEsMl0", "WyJcdWQ4MDAiXQ", "\x00", "é", "W10="]
    )
    def test_a_cursor_that_was_not_given_out_is_refused(
        self, desk: Desk, program: Program, cursor: str
    ) -> None:
        country = "/directory/countries/DE"
        for path in ("/servers", f"{country}/cities", f"{country}/servers"):
            refused(program.get(path, params={"cursor": cursor}), 422, "page address")


@sqlite_only
class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"x"',
            b"\xff\xfe{}",
            b"[" * 100_000,
            b'{"hostname": ' + b"9" * 5000 + b"}",
            b'{"hostname": "\\ud800", "kind": "individual"}',
            b'{"hostname": "a\\u0000b", "kind": "individual"}',
            b'{"hostname": "mail.muller.com.au", "kind": "robot"}',
            b'{"hostname": "mail.muller.com.au", "kind": "individual", "admin": true}',
            b'{"hostname": "' + b"a" * 300 + b'", "kind": "individual"}',
        ],
    )
    def test_what_is_not_as_described_is_refused(self, program: Program, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        refused(program.call("POST", "/servers", content=body, headers=headers), 400)
        assert good(program.get("/servers")).json()["items"] == []

    def test_json_must_say_that_it_is(self, program: Program) -> None:
        body = b'{"hostname": "mail.muller.com.au", "kind": "individual"}'
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            headers = {"Content-Type": kind}
            refused(program.call("POST", "/servers", content=body, headers=headers), 400)

    def test_a_body_that_is_too_large_is_not_read(self, desk: Desk, program: Program) -> None:
        headers = {"Content-Type": "application/json"}
        large = b'{"reason": "' + b"x" * 1024 * 1024 + b'"}'
        for where in (program, desk.stranger()):
            answer = where.call("POST", "/servers/1/withdrawal", content=large, headers=headers)
            refused(answer, 413)

    def test_so_is_one_that_does_not_say_how_large_it_is(self, program: Program) -> None:
        pieces = (b"x" * 65536 for _ in range(17))
        headers = {"Content-Type": "application/json"}
        answer = program.call("POST", "/servers/1/withdrawal", content=pieces, headers=headers)
        refused(answer, 413)

    def test_a_fault_names_the_field_and_not_what_was_in_it(self, program: Program) -> None:
        new = {"hostname": ["zoe@muller.com.au"], "kind": "Zoë Müller", "birthday": "1970-12-31"}
        answer = program.post("/servers", new)
        told = refused(answer, 400)
        assert {one["field"] for one in told["faults"]} == {
            "body.hostname",
            "body.kind",
            "body.birthday",
        }
        for value in ("zoe@", "Müller", "1970"):
            assert value not in json.dumps(told, ensure_ascii=False)


@sqlite_only
async def test_nothing_is_read_from_those_who_may_not_send(desk: Desk) -> None:
    async def receive() -> Message:
        raise AssertionError("something was read")

    token = desk.token(life.make_account(desk.office), Scope.READ_MONEY)
    for header, status in (
        (b"", 401),
        (f"Bearer csr_{'x' * 43}".encode(), 401),
        (f"Bearer {token}".encode(), 403),
    ):
        sent: list[Message] = []

        async def send(message: Message, kept: list[Message] = sent) -> None:
            kept.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/api/v1/servers/1/documents",
            "query_string": b"kind=passport&subject=owner",
            "headers": [
                (b"host", b"localhost:8025"),
                (b"content-length", b"9000000"),
                (b"authorization", header),
            ],
            "client": ("192.0.2.1", 1),
            "server": ("localhost", 8025),
            "root_path": "",
        }
        await desk.app(scope, receive, send)
        assert sent[0]["status"] == status


@sqlite_only
class TestLayersBeforeTheApi:
    def test_another_hosts_name_is_refused(self, desk: Desk) -> None:
        answer = desk.stranger().get("/figures", headers={"Host": "evil.example"})
        refused(answer, 421)
        assert answer.headers["Cache-Control"] == "no-store"

    def test_too_many_requests_are_told_when_to_come_again(self, office: Office) -> None:
        security = office.config.security.model_copy(update={"requests_per_minute": 10})
        config = office.config.model_copy(update={"security": security})
        stranger = Desk(dataclasses.replace(office, config=config)).stranger()
        for _ in range(10):
            good(stranger.get("/figures"))
        answer = stranger.get("/figures")
        refused(answer, 429)
        assert answer.headers["Retry-After"] == "60"

    def test_all_answers_have_the_websites_headers(self, desk: Desk) -> None:
        stranger = desk.stranger()
        for answer in (stranger.get("/figures"), stranger.get("/me"), stranger.get("/nothing")):
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "Server-Timing" in answer.headers

    def test_pages_of_the_website_keep_their_own_errors(self, desk: Desk) -> None:
        answer = desk.stranger().client.get("/apis")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("text/html")

    def test_an_accident_is_reported_without_what_was_asked(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("about zoe@muller.com.au")

        monkeypatch.setattr(public.hosts, "look_up", fail)
        with capture_logs() as logs:
            answer = desk.stranger().get("/hosts/mail.muller.com.au")
        told = refused(answer, 500, "quote")
        (error,) = [one for one in logs if one["log_level"] == "error"]
        assert error["reference"] in told["detail"]
        for text in (answer.text, str(logs)):
            assert "muller" not in text

    def test_an_accident_outside_the_api_is_told_alike(self, office: Office, desk: Desk) -> None:
        async def broken(*_: Any) -> None:
            raise RuntimeError("about zoe@muller.com.au")

        program = Program(make_app(office, api=broken), office.config.url)
        refused(program.get("/figures"), 500, "quote")


@sqlite_only
def test_the_log_has_the_route_and_nobodys_name(desk: Desk, office: Office) -> None:
    server_id = treasury.make_active(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    new = {"identifier": "zoe@muller.com.au", "accepted_on": "2026-03-01"}
    with capture_logs() as logs:
        good(program.post(f"/servers/{server_id}/privileged-users", new), 201)
        good(program.get("/directory/search", params={"q": "zoe"}))
    routes = [one["route"] for one in logs if one["event"] == "request"]
    assert routes == ["/api/v1/servers/{server}/privileged-users", "/api/v1/directory/search"]
    assert "zoe" not in str(logs)
    assert program.token not in str(logs)


def test_what_postgresql_cannot_store_is_refused_before(desk: Desk, office: Office) -> None:
    server_id = treasury.make_active(office)
    owner = treasury.server_of(office, server_id).owner_id
    program, where = desk.program(owner), f"/servers/{server_id}"
    bad = "a\u0000b"
    refused(program.get("/directory/search", params={"q": bad}), 400)
    refused(program.get("/directory/countries/DE/servers", params={"city": bad}), 400)
    refused(program.get(f"/hosts/{'a%00b.example'}"), 404)
    new = {"identifier": bad, "accepted_on": "2026-03-01"}
    refused(program.post(f"{where}/privileged-users", new), 400)
    new = {"purpose": "dkim", "content": bad, "selector": bad}
    refused(program.post(f"{where}/keys", new), 422)
    refused(program.post(f"{where}/withdrawal", {"reason": bad}), 400)
    refused(program.post(f"{where}/sponsors", {"hostname": bad}), 400)
    question = {"purpose": bad, "name": bad, "birth_date": "1970-12-31"}
    refused(program.post(f"{where}/offender-queries", question), 400)
    params = {"kind": "passport", "subject": bad}
    refused(program.call("POST", f"{where}/documents", params=params, content=b"x"), 400)
    body = b'{"name": "a\\u0000b", "a\\u0000b": "\\ud800", "\\ud800": NaN}'
    headers = {"Content-Type": "application/json"}
    refused(program.call("PUT", f"{where}/steps/directory", content=body, headers=headers), 422)


def test_the_api_may_stand_alone(office: Office) -> None:
    from starlette.testclient import TestClient

    client = TestClient(make_api(office))
    assert client.get("/v1/figures").status_code == 200
