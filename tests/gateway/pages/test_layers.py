"""What protects the pages, whatever they show."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import httpx
import pytest

from countersign.gateway.pages import connections
from countersign.gateway.pages.app import REQUESTS_PER_MINUTE
from countersign.storage.submission.tables import Lock, LockReason
from countersign.web.rendering import CONTENT_SECURITY_POLICY
from tests.gateway.pages.house import House, Visitor, make_house
from tests.gateway.world import free_port

SIGN_IN = {"user": "mei", "password": "a long wooden boat", "next": "/"}


async def _locked(house: House) -> Visitor:
    """Lock an account and sign the administrator in."""
    await house.tables.lock(Lock("nina", LockReason.ADMINISTRATOR, house.clock()))
    olaf = house.visitor()
    await olaf.sign_in("olaf")
    return olaf


async def test_a_form_without_the_browsers_own_token_does_nothing(house: House) -> None:
    olaf = await _locked(house)
    other = house.visitor()
    await other.sign_in("mei")
    for token in ("", "x", "é", await other.token("/")):
        answer = await olaf.client.post(
            "/administrator/unlock", data={"csrf_token": token, "user": "nina"}
        )
        assert answer.status_code == 403
        assert "out of date" in answer.text
    assert await house.tables.lock_of("nina") is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_a_form_from_another_website_does_nothing(
    house: House, headers: dict[str, str]
) -> None:
    olaf = await _locked(house)
    answer = await olaf.post("/administrator/unlock", {"user": "nina"}, headers=headers)
    assert answer.status_code == 403
    assert await house.tables.lock_of("nina") is not None


async def test_signing_in_needs_the_token_too(house: House) -> None:
    visitor = house.visitor()
    assert (await visitor.client.post("/sign-in", data=SIGN_IN)).status_code == 403
    assert (await visitor.get("/")).status_code == 303


async def test_a_form_is_bounded_and_of_one_kind(house: House) -> None:
    visitor = house.visitor()
    token = await visitor.token("/sign-in")
    fields = {"csrf_token": token, **SIGN_IN}
    large = await visitor.client.post("/sign-in", data={**fields, "more": "x" * 20_000})
    assert large.status_code == 413
    many = {f"field-{number}": "x" for number in range(100)}
    assert (await visitor.client.post("/sign-in", data={**fields, **many})).status_code == 400
    files = {"file": b"x"}
    answer = await visitor.client.post("/sign-in", data=fields, files=files)
    assert answer.status_code == 400
    odd = await visitor.client.post("/sign-in", data={**fields, "user": "a\0b"})
    assert odd.status_code == 400


async def test_every_answer_has_the_headers(house: House) -> None:
    olaf = house.visitor()
    await olaf.sign_in("olaf")
    for path in ("/", "/sign-in", "/administrator", "/nothing", "/static/x"):
        headers = (await olaf.get(path)).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers


async def test_a_request_for_another_host_is_refused(house: House) -> None:
    answer = await house.visitor().get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 421


async def test_too_many_requests_from_one_address_have_to_wait(house: House) -> None:
    visitor = house.visitor()
    codes = [(await visitor.get("/sign-in")).status_code for _ in range(REQUESTS_PER_MINUTE + 1)]
    assert codes[0] == 200
    assert codes[-1] == 429


async def test_behind_a_web_server_each_visitor_has_limits_of_his_own(tmp_path: Path) -> None:
    made = make_house(tmp_path, pages={"trusted_proxies": ["127.0.0.1/32"]})
    await made.user("mei")
    async with made.open() as house:
        for number in range(3):
            visitor = house.visitor()
            visitor.client.headers["X-Forwarded-For"] = f"203.0.113.99, 203.0.113.{number}"
            await visitor.sign_in("mei", "wrong")
        networks = {one.network for one in await house.tables.recent_failures()}
        assert networks == {"203.0.113.0", "203.0.113.1", "203.0.113.2"}


async def test_what_a_visitor_says_of_his_address_is_not_believed(house: House) -> None:
    visitor = house.visitor()
    visitor.client.headers["X-Forwarded-For"] = "203.0.113.5"
    await visitor.sign_in("mei", "wrong")
    [failure] = await house.tables.recent_failures()
    assert failure.network == "127.0.0.1"


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
async def test_a_connection_on_which_no_request_ends_is_closed(
    house: House, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.3)
    host, _, port = house.config.pages.listen.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    begun = time.monotonic()
    writer.write(said)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    assert time.monotonic() - begun < 5
    writer.close()


async def test_tables_that_are_away_are_said_to_be_away(house: House) -> None:
    mei = house.visitor()
    await mei.sign_in("mei")
    await house.tables.aclose()
    answer = await mei.get("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "cannot be looked up at present" in answer.text


async def test_elsewhere_than_on_loopback_the_pages_have_tls(tmp_path: Path) -> None:
    port = free_port()
    made = make_house(tmp_path, pages={"listen": f"0.0.0.0:{port}"})
    await made.user("mei")
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    site = f"mail.harbour.example:{port}"
    async with made.open(), httpx.AsyncClient(verify=trust) as client:
        url = f"https://127.0.0.1:{port}/sign-in"
        assert (await client.get(url)).status_code == 421
        answer = await client.get(url, headers={"Host": site})
        assert answer.status_code == 200
        assert answer.headers["set-cookie"].startswith("__Host-countersign-pages=")
        assert "Secure" in answer.headers["set-cookie"]
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("url", ["http://mail.example", "https://mail.example/pages", "mail"])
def test_an_address_that_pages_cannot_have_is_a_fault_of_the_settings(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(ValueError, match="pages"):
        make_house(tmp_path, pages={"url": url})
