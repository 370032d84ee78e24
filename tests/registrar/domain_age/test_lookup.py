from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from countersign.registrar.config import DomainAge
from countersign.registrar.domain_age import (
    CouldNotTell,
    DomainAgeSearch,
    Found,
    NotFound,
    Outcome,
    RegistryEvent,
)
from tests.registrar.domain_age.rdap_server import Answer, RdapServer, domain, not_found, redirect

REGISTERED = ("registration", "1997-09-15T04:00:00Z")
LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.fixture
def server() -> Iterator[RdapServer]:
    with RdapServer() as running:
        yield running


@pytest.fixture
def registry() -> Iterator[RdapServer]:
    """Another server, to which the first one redirects."""
    with RdapServer() as running:
        yield running


async def find(hostname: str, *servers: str, **changes: Any) -> Outcome:
    settings = {"bootstrap": "", "timeout": 5} | changes
    return await DomainAgeSearch(DomainAge(servers=servers, **settings)).find(hostname)


def reason_of(outcome: Outcome) -> str:
    assert isinstance(outcome, CouldNotTell), outcome
    return outcome.reason


async def test_the_date_is_found_with_its_evidence(server: RdapServer) -> None:
    events = (REGISTERED, ("expiration", "2030-09-14T04:00:00Z"))
    server.answers["/domain/example.co.uk"] = domain("example.co.uk", *events)
    assert await find("example.co.uk", server.url) == Found(
        "example.co.uk",
        date(1997, 9, 15),
        f"{server.url}domain/example.co.uk",
        tuple(RegistryEvent(*event) for event in events),
    )


async def test_names_are_asked_upward_and_never_a_public_suffix(server: RdapServer) -> None:
    outcome = await find("mx1.mail.example.co.uk", server.url)
    assert outcome == NotFound("example.co.uk", f"{server.url}domain/example.co.uk")
    assert server.requests == [
        "/domain/mx1.mail.example.co.uk",
        "/domain/mail.example.co.uk",
        "/domain/example.co.uk",
    ]


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_longer_name_that_is_no_domain_leads_to_its_parent(
    server: RdapServer, status: int
) -> None:
    server.answers["/domain/mail.example.org"] = Answer(status)
    server.answers["/domain/example.org"] = domain("example.org", REGISTERED)
    outcome = await find("mail.example.org", server.url)
    assert isinstance(outcome, Found)
    assert outcome.domain == "example.org"


async def test_an_answer_about_the_parent_is_asked_for_again_by_its_name(
    server: RdapServer,
) -> None:
    server.answers["/domain/mail.example.org"] = domain("example.org", REGISTERED)
    server.answers["/domain/example.org"] = domain("example.org", REGISTERED)
    outcome = await find("mail.example.org", server.url)
    assert isinstance(outcome, Found)
    assert outcome.source.endswith("/domain/example.org")


async def test_trouble_with_a_longer_name_never_makes_the_older_parent_count(
    server: RdapServer,
) -> None:
    server.answers["/domain/mail.example.org"] = Answer(500)
    server.answers["/domain/example.org"] = domain("example.org", REGISTERED)
    assert "answered 500" in reason_of(await find("mail.example.org", server.url))
    server.answers["/domain/mail.example.org"] = domain("mail.example.org")
    assert "does not say" in reason_of(await find("mail.example.org", server.url))


@pytest.mark.parametrize(
    "hostname", ["com", "co.uk", "github.io", "", "127.0.0.1", "a..b", "é" * 80]
)
async def test_what_has_no_registrable_domain_is_not_asked_for(
    server: RdapServer, hostname: str
) -> None:
    assert "no domain" in reason_of(await find(hostname, server.url))
    assert server.requests == []


async def test_an_international_name_is_asked_for_in_its_ascii_form(server: RdapServer) -> None:
    name = "xn--bcher-kva.example"
    server.answers[f"/domain/{name}"] = domain(name, REGISTERED)
    assert isinstance(await find("Bücher.example.", server.url), Found)


async def test_servers_are_asked_in_their_order_until_one_knows(
    server: RdapServer, registry: RdapServer
) -> None:
    registry.answers["/domain/example.org"] = domain("example.org", REGISTERED)
    assert isinstance(await find("example.org", server.url, registry.url), Found)
    server.answers["/domain/example.org"] = Answer(500)
    assert isinstance(await find("example.org", server.url, registry.url), Found)
    registry.requests.clear()
    server.answers["/domain/example.org"] = domain("example.org", REGISTERED)
    assert isinstance(await find("example.org", server.url, registry.url), Found)
    assert registry.requests == []


async def test_one_no_and_one_failure_are_together_no_no(
    server: RdapServer, registry: RdapServer
) -> None:
    registry.answers["/domain/example.org"] = Answer(500)
    for order in ((server.url, registry.url), (registry.url, server.url)):
        assert "answered 500" in reason_of(await find("example.org", *order))


async def test_a_server_that_is_not_there_is_no_answer() -> None:
    with RdapServer() as gone:
        url = gone.url
    assert "ConnectError" in reason_of(await find("example.org", url))


@pytest.mark.parametrize("status", [429, 503])
async def test_a_request_to_wait_is_told_in_seconds(server: RdapServer, status: int) -> None:
    def wait(text: str) -> None:
        server.answers["/domain/example.org"] = Answer(status, headers={"Retry-After": text})

    async def retry_after() -> float | None:
        outcome = await find("example.org", server.url)
        assert isinstance(outcome, CouldNotTell)
        return outcome.retry_after

    wait("120")
    assert await retry_after() == 120
    wait(format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True))
    assert 590 <= (await retry_after() or 0) <= 600
    wait("9" * 90)
    assert await retry_after() == 86400
    for nonsense in ("soon", "-5", "", "٣"):
        wait(nonsense.encode().decode("latin-1"))
        assert await retry_after() is None


# -- redirects -----------------------------------------------------------------------------


async def test_a_redirect_is_followed_to_a_permitted_network_only(
    server: RdapServer, registry: RdapServer
) -> None:
    registry.answers["/v1/domain/example.org"] = domain("example.org", REGISTERED)
    server.answers["/domain/example.org"] = redirect(f"{registry.url}v1/domain/example.org")
    assert "no public address" in reason_of(await find("example.org", server.url))
    assert registry.requests == []
    outcome = await find("example.org", server.url, networks=LOOPBACK)
    assert isinstance(outcome, Found)
    assert outcome.source == f"{registry.url}v1/domain/example.org"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
    ],
)
async def test_no_spelling_of_an_inner_address_is_contacted(
    server: RdapServer, registry: RdapServer, host: str
) -> None:
    server.answers["/domain/example.org"] = redirect(f"http://{host}:{registry.port}/x")
    assert "no public address" in reason_of(await find("example.org", server.url))
    assert registry.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_relative_redirect_within_a_server_is_followed(
    server: RdapServer, status: int
) -> None:
    server.answers["/domain/example.org"] = redirect("../v1/example.org", status)
    server.answers["/v1/example.org"] = domain("example.org", REGISTERED)
    assert isinstance(await find("example.org", server.url), Found)


async def test_redirects_are_counted(server: RdapServer) -> None:
    server.answers["/domain/example.org"] = redirect("/domain/example.org")
    assert "too many" in reason_of(await find("example.org", server.url, redirects=3))
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://a:b@127.0.0.1/", "//[", ""],
)
async def test_a_redirect_to_nonsense_is_no_answer(server: RdapServer, target: str) -> None:
    server.answers["/domain/example.org"] = redirect(target)
    reason_of(await find("example.org", server.url, networks=LOOPBACK))


async def test_https_is_spoken_to_the_address_that_was_checked_and_never_left(
    server: RdapServer, tmp_path: Path
) -> None:
    with RdapServer(certificate=tmp_path / "pair.pem") as secure:
        secure.answers["/domain/example.org"] = domain("example.org", REGISTERED)
        server.answers["/domain/example.org"] = redirect(f"{secure.url}domain/example.org")
        settings = DomainAge(servers=(server.url,), bootstrap="", timeout=5, networks=LOOPBACK)
        outcome = await DomainAgeSearch(settings, tls=secure.tls).find("example.org")
        assert isinstance(outcome, Found), outcome
        assert secure.hosts == [f"localhost:{secure.port}"]
        # Without the certificate's authority nobody is believed.
        reason_of(await DomainAgeSearch(settings).find("example.org"))
        secure.answers["/domain/example.org"] = redirect(f"{server.url}v1")
        server.answers["/v1"] = domain("example.org", REGISTERED)
        settings = settings.model_copy(update={"servers": (secure.url,)})
        outcome = await DomainAgeSearch(settings, tls=secure.tls).find("example.org")
        assert "not https" in reason_of(outcome)


# -- bad answers ---------------------------------------------------------------------------


async def test_a_huge_answer_is_not_read_to_its_end(server: RdapServer) -> None:
    def write(wire: Any) -> None:
        while not server.stopping.is_set():
            wire.write(b" " * 65536)

    server.answers["/domain/example.org"] = Answer(write=write)
    assert "too big" in reason_of(await find("example.org", server.url))


async def test_a_packed_answer_is_refused(server: RdapServer) -> None:
    answer = domain("example.org", REGISTERED)
    answer.headers["Content-Encoding"] = "gzip"
    server.answers["/domain/example.org"] = answer
    assert "packed" in reason_of(await find("example.org", server.url))


async def test_a_slow_answer_ends_in_time_however_it_trickles(server: RdapServer) -> None:
    def write(wire: Any) -> None:
        while not server.stopping.wait(0.05):
            wire.write(b" ")
            wire.flush()

    server.answers["/domain/example.org"] = Answer(write=write)
    started = time.monotonic()
    assert "in time" in reason_of(await find("example.org", server.url, timeout=0.5))
    assert time.monotonic() - started < 3


async def test_an_answer_that_is_cut_off_is_no_answer(server: RdapServer) -> None:
    answer = domain("example.org", REGISTERED)
    answer.headers["Content-Length"] = "100000"
    answer.write = lambda wire: wire.write(answer.body)
    server.answers["/domain/example.org"] = answer
    reason_of(await find("example.org", server.url))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 30_000,
        b'{"objectClassName": "domain"}',
        b'{"objectClassName": "entity", "ldhName": "example.org"}',
        b"9" * 10_000,
    ],
)
async def test_a_malformed_answer_is_no_answer(server: RdapServer, body: bytes) -> None:
    server.answers["/domain/example.org"] = Answer(body=body)
    reason_of(await find("example.org", server.url))


@pytest.mark.parametrize(
    ("content_type", "is_taken"),
    [
        ("application/rdap+json", True),
        ("application/rdap+json; charset=utf-8", True),
        ("Application/JSON", True),
        ("application/problem+json", True),
        ("", True),
        ("text/html", False),
        ("application/octet-stream", False),
    ],
)
async def test_content_types_are_taken_with_tolerance(
    server: RdapServer, content_type: str, is_taken: bool
) -> None:
    answer = domain("example.org", REGISTERED)
    answer.content_type = content_type
    server.answers["/domain/example.org"] = answer
    assert isinstance(await find("example.org", server.url), Found) is is_taken


# -- the directory of registries -----------------------------------------------------------


async def test_the_registrys_own_server_is_asked_where_the_first_one_knows_none(
    server: RdapServer, registry: RdapServer
) -> None:
    directory = {"services": [[["org", "net"], ["http://127.0.0.1:1/", registry.url]]]}
    server.answers["/dns.json"] = Answer(body=json.dumps(directory).encode())
    bootstrap = {"bootstrap": f"{server.url}dns.json", "networks": LOOPBACK}
    registry.answers["/domain/example.org"] = domain("example.org", REGISTERED)
    assert isinstance(await find("example.org", server.url, **bootstrap), Found)
    # Its 404 is a no; where there is no registry's server to ask, there is none.
    registry.answers["/domain/example.org"] = not_found()
    assert isinstance(await find("example.org", server.url, **bootstrap), NotFound)
    reason = reason_of(await find("mail.example.de", server.url, **bootstrap))
    assert reason == "the registry of .de offers no RDAP"


async def test_a_no_of_the_registry_itself_needs_no_directory(
    server: RdapServer, registry: RdapServer
) -> None:
    server.answers["/domain/example.org"] = redirect(f"{registry.url}domain/example.org")
    bootstrap = {"bootstrap": f"{server.url}dns.json", "networks": LOOPBACK}
    assert isinstance(await find("example.org", server.url, **bootstrap), NotFound)
    assert "/dns.json" not in server.requests


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"{", b'{"services": [1]}', b'{"services": [[["org"], [1]]]}']
)
async def test_a_broken_directory_is_no_answer(server: RdapServer, body: bytes) -> None:
    server.answers["/dns.json"] = Answer(body=body)
    outcome = await find("example.org", server.url, bootstrap=f"{server.url}dns.json")
    assert "directory" in reason_of(outcome)


async def test_the_directory_is_fetched_once_a_day(server: RdapServer) -> None:
    server.answers["/dns.json"] = Answer(body=b'{"services": []}')
    settings = DomainAge(servers=(server.url,), bootstrap=f"{server.url}dns.json", timeout=5)
    search = DomainAgeSearch(settings)
    for _ in range(3):
        await search.find("example.org")
    assert server.requests.count("/dns.json") == 1


def test_a_thread_without_an_event_loop_can_search(server: RdapServer) -> None:
    server.answers["/domain/example.org"] = domain("example.org", REGISTERED)
    search = DomainAgeSearch(DomainAge(servers=(server.url,), bootstrap=""))
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(search.find_now("example.org")))
    thread.start()
    thread.join(20)
    assert isinstance(outcomes[0], Found)


@pytest.mark.parametrize(
    "url", ["ftp://a/", "https://a:b@c/", "https://", "rdap.org", "https://a?b"]
)
def test_only_addresses_of_the_web_can_be_configured(url: str) -> None:
    with pytest.raises(ValueError, match="servers"):
        DomainAge(servers=(url,))
