"""What every request and answer goes through: headers, host, origin, token, limits, errors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import StatementError
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.registrar.web.access import PUBLIC, SIGNED_IN, UndeclaredError, server
from countersign.registrar.web.app import make_app
from countersign.registrar.web.forms import MAX_FIELDS
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.rendering import STATICS
from countersign.registrar.web.session import csrf_token_of
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.web.rendering import CONTENT_SECURITY_POLICY
from countersign.web.security.addresses import ClientAddress, Limiter, bucket_of
from countersign.web.site import Site as Address
from countersign.web.site import SiteError
from tests.registrar.web.visitors import Site, Visitor, with_config

pages = Pages()
BACK = {"Referer": "http://localhost:8025/form?step=2"}


@pages.get("/form", allow=PUBLIC)
def form(visit: Visit) -> Response:
    return PlainTextResponse(str(visit.frame().csrf_token))


@pages.post("/form", allow=PUBLIC, uploads=1)
def take(visit: Visit) -> Response:
    upload = visit.form.upload("file")
    return PlainTextResponse(f"{visit.form.plain()} {len(upload.content) if upload else '-'}")


@pages.post("/plain", allow=PUBLIC)
def take_plain(visit: Visit) -> Response:
    return PlainTextResponse(visit.form.text("a", 10))


@pages.post("/fail/{kind}", allow=PUBLIC)
def fail(visit: Visit, kind: str) -> Response:
    errors: dict[str, Exception] = {
        "operation": OperationError("The moon is not full."),
        "missing": NotFoundError("No such moon."),
        "forbidden": ForbiddenError("Not your moon."),
        "conflict": ConflictError("Somebody else took the moon."),
        "fault": RuntimeError("secret of mei.chen@harbour.com.au"),
    }
    raise errors[kind]


@pages.get("/private", allow=SIGNED_IN)
def private(visit: Visit) -> Response:
    return PlainTextResponse("private")


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """One engine is enough: nothing here is about the data."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'registrar.sqlite')}"


@pytest.fixture
def visitor(office: Office) -> Visitor:
    return Visitor(make_app(office, pages=pages.all), office.config.url)


def prepared(visitor: Visitor) -> str:
    """Have the visitor look at the form; return its token."""
    return visitor.get("/form").text


def test_every_answer_has_the_headers(site: Site) -> None:
    visitor = site.anonymous()
    paths = ["/sign-in", "/nothing", "/account", "/health", STATICS.url("theme.css"), "/static/x"]
    answers = [visitor.get(path) for path in paths]
    answers.append(visitor.get("/", headers={"Host": "evil.example"}))
    for answer in answers:
        headers = answer.headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers
        assert "server" not in headers


def test_over_tls_the_cookies_and_the_transport_are_strict(office: Office) -> None:
    secure = with_config(office, url="https://registrar.harbour.com.au")
    answer = Visitor(make_app(secure), secure.config.url).get("/sign-in")
    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    for part in ("HttpOnly", "Path=/", "SameSite=lax", "Secure"):
        assert part in cookie
    assert "Domain" not in cookie


def test_without_tls_only_this_machine_is_served(office: Office) -> None:
    for url in (
        "http://registrar.harbour.com.au",
        "http://192.0.2.1",
        "ftp://localhost",
        "https://registrar.example/path",
        "https://user@registrar.example",
        "nonsense",
    ):
        with pytest.raises(SiteError):
            make_app(with_config(office, url=url))
    for url in ("http://localhost:8025", "http://127.0.0.9", "http://[::1]:80"):
        assert not Address.of(url).secure
    assert Address.of("https://Registrar.Example:443/").host == "registrar.example"
    assert not Address.of("http://127.0.0.1:80").takes_passkeys


def test_a_cookie_comes_only_with_a_form(visitor: Visitor) -> None:
    assert "set-cookie" not in visitor.get("/nothing").headers
    answer = visitor.get("/form")
    assert "session=" in answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == csrf_token_of(visitor.cookie)
    assert visitor.cookie not in answer.text


def test_pages_of_somebody_signed_in_are_not_kept(site: Site) -> None:
    visitor = site.visitor()
    assert visitor.get("/account").headers["cache-control"] == "no-store"
    assert visitor.get("/nothing").headers["cache-control"] == "no-store"


def test_static_files_are_kept_for_a_year_under_their_hash(site: Site) -> None:
    visitor = site.anonymous()
    answer = visitor.get(STATICS.url("theme.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert visitor.get("/static/other/theme.css").headers["cache-control"] == "no-cache"
    for path in ("/static/x/../../app.py", "/static/x/%2e%2e/app.py", "/static/x/..%2fapp.py"):
        assert visitor.get(path).status_code == 404
    assert visitor.client.post(STATICS.url("theme.css")).status_code == 405


def test_a_request_for_another_host_is_refused(visitor: Visitor) -> None:
    for host in ("evil.example", "localhost", "localhost:80", "localhost:8025.evil.example", ""):
        answer = visitor.get("/form", headers={"Host": host})
        assert answer.status_code == 421
        assert "evil" not in answer.text
    assert visitor.get("/form", headers={"Host": "LOCALHOST:8025"}).status_code == 200


def test_a_form_needs_the_token_of_its_own_browser(visitor: Visitor, office: Office) -> None:
    token = prepared(visitor)
    post = visitor.client.post
    assert post("/form", data={"csrf_token": token, "a": "1"}).text.startswith("{'a': '1'}")
    assert post("/form", headers={"X-CSRF-Token": token}).status_code == 200
    other = Visitor(visitor.client.app, office.config.url)
    for wrong in ("", "x", prepared(other), token[:-1], token + "x", "ü" * 43):
        assert post("/form", data={"csrf_token": wrong}).status_code == 403
    assert post("/form").status_code == 403
    stranger = Visitor(visitor.client.app, office.config.url)
    assert stranger.client.post("/form", data={"csrf_token": token}).status_code == 403
    assert stranger.client.post("/form", data={"csrf_token": csrf_token_of("")}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:8025", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_form_of_another_site_is_refused_even_with_the_token(
    visitor: Visitor, headers: dict[str, str]
) -> None:
    data = {"csrf_token": prepared(visitor)}
    assert visitor.client.post("/form", data=data, headers=headers).status_code == 403
    assert visitor.client.post("/form", data=data).status_code == 200


def test_other_methods_and_bodies_are_refused(visitor: Visitor) -> None:
    prepared(visitor)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = visitor.client.request(method, "/form")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, POST"
    assert visitor.client.post("/form", json={"a": 1}).status_code == 400
    assert visitor.client.head("/form").status_code == 200


def test_bodies_are_bounded(visitor: Visitor, office: Office) -> None:
    token = prepared(visitor)
    huge = {"csrf_token": token, "a": "x" * 300_000}
    assert visitor.client.post("/plain", data=huge).status_code == 413
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": token}
    chunks = iter([b"a=" + b"x" * 200_000, b"x" * 200_000])
    assert visitor.client.post("/plain", content=chunks, headers=form).status_code == 413
    claimed = {**form, "Content-Length": "99999999999"}
    assert visitor.client.post("/plain", content=b"a=x", headers=claimed).status_code == 413
    endless = iter([b"a="] + [b"x" * 100_000] * 100)
    assert visitor.client.post("/plain", content=endless, headers=form).status_code == 413
    many = {"csrf_token": token, **{f"f{number}": "x" for number in range(MAX_FIELDS)}}
    assert visitor.client.post("/plain", data=many).status_code == 400
    long = {"csrf_token": token, "a": "x" * 11}
    assert visitor.client.post("/plain", data=long).status_code == 400
    for bad in ("a\0b",):
        assert (
            visitor.client.post("/plain", data={"csrf_token": token, "a": bad}).status_code == 400
        )


def test_uploads_are_taken_only_where_they_are_declared(visitor: Visitor, office: Office) -> None:
    token = prepared(visitor)
    file = {"file": ("scan.png", b"x" * 1000, "image/png")}
    data = {"csrf_token": token}
    assert visitor.client.post("/form", data=data, files=file).text.endswith("1000")
    assert visitor.client.post("/plain", data=data, files=file).status_code == 400
    two = [("file", ("a", b"x")), ("file", ("b", b"x"))]
    assert visitor.client.post("/form", data=data, files=two).status_code == 400
    limit = office.config.security.upload_size
    large = {"file": ("scan.png", b"x" * (limit + 1), "image/png")}
    assert visitor.client.post("/form", data=data, files=large).text.endswith(str(limit + 1))
    larger = {"file": ("scan.png", b"x" * (limit + 500_000), "image/png")}
    assert visitor.client.post("/form", data=data, files=larger).status_code == 413


@pytest.mark.parametrize("query", ["a=%00", "a=%ed%a0%80b%00", "a=" + "x" * 9000])
def test_a_query_that_is_no_text_is_refused(visitor: Visitor, query: str) -> None:
    assert visitor.get(f"/form?{query}").status_code == 400


def test_a_key_too_large_for_the_database_is_no_page(site: Site) -> None:
    assert site.visitor().get(f"/staff/accounts/{10**18}").status_code == 404
    assert site.visitor().get("/staff/accounts/0").status_code == 404


def test_what_cannot_be_done_is_said_where_the_form_stood(visitor: Visitor) -> None:
    data = {"csrf_token": prepared(visitor)}
    answer = visitor.client.post("/fail/operation", data=data, headers=BACK)
    assert (answer.status_code, answer.headers["location"]) == (303, "/form?step=2")
    assert "The moon is not full." in visitor.get("/nothing").text
    assert "The moon is not full." not in visitor.get("/nothing").text, "once"

    assert visitor.client.post("/fail/operation", data=data).status_code == 422
    evil = {"Referer": "https://evil.example/"}
    assert visitor.client.post("/fail/operation", data=data, headers=evil).status_code == 422
    for kind, status, text in (
        ("missing", 404, "No such moon."),
        ("forbidden", 403, "Not your moon."),
        ("conflict", 409, "Somebody else took the moon."),
    ):
        answer = visitor.client.post(f"/fail/{kind}", data=data, headers=BACK)
        assert answer.status_code == status
        assert text in answer.text


def test_a_fault_is_reported_by_a_reference_without_what_somebody_entered(
    visitor: Visitor,
) -> None:
    data = {"csrf_token": prepared(visitor), "name": "Mei Chen"}
    with capture_logs() as logs:
        answer = visitor.client.post("/fail/fault?q=private", data=data)
    assert answer.status_code == 500
    error = next(entry for entry in logs if entry["event"] == "error")
    assert error["reference"] in answer.text
    assert error["kind"] == "builtins.RuntimeError"
    assert "fail" in error["trace"][-1]
    for secret in ("mei", "Mei", "private", data["csrf_token"], visitor.cookie):
        assert secret not in str(logs)
        assert secret not in answer.text or secret == data["csrf_token"]
    request = next(entry for entry in logs if entry["event"] == "request")
    assert request["route"] == "/fail/{kind}"
    assert request["status"] == 500


def test_the_time_that_an_answer_took_is_told(visitor: Visitor) -> None:
    name, _, spent = visitor.get("/form").headers["server-timing"].partition(";dur=")
    assert name == "app"
    assert 0 < float(spent) < 10_000


def test_a_flash_is_text_whatever_is_in_the_cookie(visitor: Visitor) -> None:
    import base64
    import json

    for content in (
        json.dumps([["success", "<script>alert(1)</script>"]]),
        json.dumps([["evil", "x"]]),
        json.dumps({"a": 1}),
        "[" * 5000,
        "null",
        "\xff",
    ):
        value = base64.urlsafe_b64encode(content.encode()).decode()
        visitor.client.cookies.set("flash", value, domain="localhost.local")
        page = visitor.get("/nothing")
        assert page.status_code == 404
        assert "<script>alert" not in page.text


def test_too_many_requests_of_an_address_are_refused(office: Office) -> None:
    few = with_config(office, security={"requests_per_minute": 10})
    visitor = Visitor(make_app(few), few.config.url)
    statuses = [visitor.get("/health").status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    assert visitor.get("/health").headers["retry-after"] == "60"
    assert visitor.get(STATICS.url("theme.css")).status_code == 200


def test_a_window_ends_and_memory_is_bounded() -> None:
    now = 0.0
    limiter = Limiter(2, 60, clock=lambda: now)
    assert [limiter.count("a") for _ in range(3)] == [True, True, False]
    assert limiter.is_over("a")
    assert not limiter.is_over("b")
    now = 59.0
    assert not limiter.count("a")
    now = 60.0
    assert not limiter.is_over("a")
    assert limiter.count("a")
    for number in range(150_000):
        limiter.count(str(number))
    assert len(limiter._windows) == 100_000


def test_an_ipv6_network_is_one_visitor() -> None:
    assert bucket_of("2001:db8::1") == bucket_of("2001:db8::ffff:1")
    assert bucket_of("2001:db8:0:1::1") != bucket_of("2001:db8::1")
    assert bucket_of("::ffff:192.0.2.1") == bucket_of("192.0.2.1")
    assert bucket_of("testclient") == "unknown"


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", ", ".join(["10.0.0.3"] * 5000), "10.0.0.3"),
    ],
)
async def test_a_forwarded_address_is_believed_from_proxies_only(
    peer: str, forwarded: str, seen: str
) -> None:
    found: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(scope["client"][0])

    layer = ClientAddress(app, trusted=("10.0.0.0/8",))
    headers = [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "http", "client": (peer, 1234), "headers": headers}
    await layer(scope, None, None)  # type: ignore[arg-type]
    assert found == [seen]


def test_a_route_that_does_not_say_who_may_use_it_stops_the_start() -> None:
    made = Pages()
    with pytest.raises(UndeclaredError):
        made.get("/open", allow=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        made.get("/open")  # type: ignore[call-arg]
    with pytest.raises(UndeclaredError):
        made.get("/servers/{server:key}", allow=SIGNED_IN)
    with pytest.raises(UndeclaredError):
        made.get("/servers", allow=server(Permission.SEE_SERVER))


def test_the_path_of_two_pages_must_differ(office: Office) -> None:
    with pytest.raises(ValueError, match="declared twice"):
        make_app(office, pages=[*pages.all, *pages.all])


def test_a_database_that_does_not_answer_is_a_page_with_500(office: Office) -> None:
    visitor = Visitor(make_app(office), office.config.url)
    visitor.client = TestClient(
        visitor.client.app, base_url=office.config.url, raise_server_exceptions=False
    )
    office.database.engine.dispose()
    office.database.engine.pool._creator = _no_connection  # type: ignore[attr-defined]
    answer = visitor.get("/health")
    assert answer.status_code == 500


def _no_connection(*_: Any) -> Any:
    raise OSError("no connection")


def test_an_error_of_the_database_does_not_quote_what_was_entered(office: Office) -> None:
    with pytest.raises(StatementError) as caught, office.work() as work:
        work.session.execute(sql("INSERT INTO nowhere VALUES (:name)"), {"name": "Mei Chen"})
    assert "Mei Chen" not in str(caught.value)
