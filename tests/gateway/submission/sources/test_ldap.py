"""Passwords checked by a real directory (OpenLDAP), and by none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from countersign.gateway.metrics import Metrics
from countersign.gateway.submission.settings import Ldap as Settings
from countersign.gateway.submission.settings import SignIn as SignInSettings
from countersign.gateway.submission.sign_in import SignIn
from countersign.gateway.submission.sources.directory import Directory
from countersign.gateway.submission.sources.interface import (
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.gateway.submission.sources.ldap import LdapSource
from countersign.storage.submission.local import LocalSubmissionTables
from tests.gateway.authority import make_authority
from tests.gateway.submission.sources.clients import login, plain
from tests.gateway.world import free_port
from tests.peers.slapd import BASE, SEARCHER, SEARCHER_PASSWORD, Slapd

pytestmark = pytest.mark.peer

PASSWORD = "vessel quarry lantern 41"
USERS = {"anna": PASSWORD, "ben": "other", "carl": "", "emil": "lantern \U0001f9a4 quarry"}


@pytest.fixture(scope="module")
def running() -> Iterator[Slapd]:
    with Slapd(USERS) as made:
        yield made


@pytest.fixture
def slapd(running: Slapd) -> Slapd:
    return running


def settings_of(slapd: Slapd, **more: Any) -> Settings:
    file = slapd.directory / "password"
    file.write_text(SEARCHER_PASSWORD + "\n")
    values: dict[str, Any] = {
        "url": slapd.url,
        "ca_file": slapd.authority.file,
        "bind_dn": SEARCHER,
        "bind_password_file": file,
        "base": BASE,
        "timeout": 5,
    }
    return Settings(**(values | more))


@pytest.fixture
def source(slapd: Slapd) -> Iterator[LdapSource]:
    made = LdapSource(settings_of(slapd))
    yield made
    asyncio.run(made.aclose())


@pytest.mark.parametrize("sign_in", [plain, login])
async def test_the_right_password_signs_in_by_each_mechanism(
    source: LdapSource, sign_in: Any
) -> None:
    assert await sign_in(source, "anna", PASSWORD) == SignedIn("anna")
    assert await sign_in(source, "Anna@Local.example", PASSWORD) == SignedIn("anna")
    assert await sign_in(source, "anna", "wrong") == Rejected("anna")
    assert await sign_in(source, "anna@local.example", "wrong") == Rejected("anna")
    assert await sign_in(source, "nobody", "wrong") == Rejected("nobody")
    assert isinstance(await sign_in(source, "emil", USERS["emil"]), SignedIn)


async def test_an_entry_with_several_names_is_one_user_in_whatever_order_they_come() -> None:
    with Slapd(USERS, also={"ben": ["zoe", "Aaron", "ben.other"]}) as slapd:
        source = LdapSource(settings_of(slapd))
        for name in ("ben", "zoe", "aaron", "ben.other"):
            assert await plain(source, name, "other") == SignedIn("aaron")
            assert await plain(source, name, "wrong") == Rejected("aaron")
        await source.aclose()


async def test_ldaps_serves_as_well_as_starttls(slapd: Slapd) -> None:
    source = LdapSource(settings_of(slapd, url=slapd.tls_url))
    assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)
    await source.aclose()


async def test_an_empty_password_proves_nothing(source: LdapSource, slapd: Slapd) -> None:
    assert await plain(source, "anna", "") == Rejected("", "syntax")
    with pytest.raises(ValueError, match="empty"):
        Directory(settings_of(slapd)).ask("anna", "")


async def test_an_entry_without_a_password_lets_nobody_in(source: LdapSource) -> None:
    assert await plain(source, "carl", "x") == Rejected("carl")


@pytest.mark.parametrize("name", ["*", "an*", "anna)(uid=*", "x)(|(uid=anna", "\\61nna", "{user}"])
async def test_a_name_is_no_part_of_the_filter(source: LdapSource, name: str) -> None:
    assert await plain(source, name, PASSWORD) == Rejected(name.lower())


async def test_of_an_unknown_user_as_much_is_asked(slapd: Slapd) -> None:
    def binds(name: str) -> int:
        before = slapd.log().count(" BIND dn=")
        Directory(settings_of(slapd)).ask(name, "wrong")
        return slapd.log().count(" BIND dn=") - before

    assert binds("anna") == binds("nobody")


async def test_a_directory_with_another_certificate_is_not_given_passwords(
    slapd: Slapd, tmp_path: Path
) -> None:
    other = make_authority(tmp_path)
    for url in (slapd.url, slapd.tls_url):
        before = slapd.log().count(" BIND ")
        for settings in (
            settings_of(slapd, url=url, ca_file=other.file),
            settings_of(slapd, url=url.replace("localhost", "127.0.0.1")),
        ):
            source = LdapSource(settings)
            with pytest.raises(SourceUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
                await plain(source, "anna", PASSWORD)
            await source.aclose()
        assert slapd.log().count(" BIND ") == before


async def test_a_directory_that_is_away_is_unavailable_and_is_found_again() -> None:
    with Slapd(USERS) as slapd:
        source = LdapSource(settings_of(slapd))
        assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)
        slapd.stop()
        for sign_in in (plain, login):
            with pytest.raises(SourceUnavailableError):
                await sign_in(source, "anna", PASSWORD)
        slapd.start()
        assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)
        await source.aclose()


async def test_a_directory_that_is_silent_is_unavailable(slapd: Slapd) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        for url in (f"ldap://127.0.0.1:{port}", f"ldaps://127.0.0.1:{port}"):
            source = LdapSource(settings_of(slapd, url=url, timeout=0.5))
            async with asyncio.timeout(8):
                with pytest.raises(SourceUnavailableError):
                    await plain(source, "anna", PASSWORD)
            await source.aclose()


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x05\x02\x01\x01\x61\x00",
        b"0" * 99,
    ],
)
async def test_a_server_of_another_protocol_is_unavailable(slapd: Slapd, octets: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(octets)
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    url = f"ldap://127.0.0.1:{port}"
    source = LdapSource(settings_of(slapd, url=url, start_tls=False, timeout=1))
    async with asyncio.timeout(10):
        with pytest.raises(SourceUnavailableError):
            await plain(source, "anna", PASSWORD)
    await source.aclose()
    server.close()


@pytest.mark.parametrize(
    "more",
    [
        {"base": "dc=elsewhere,dc=example"},
        {"name_attribute": "employeeNumber"},
        {"filter": "(|(uid={user})(objectClass=inetOrgPerson))"},
        {"filter": "(uid={user}"},
        {"bind_dn": f"cn=stranger,{BASE}"},
        {"bind_password_file": None},
    ],
)
async def test_what_is_set_wrongly_is_no_wrong_password(slapd: Slapd, more: dict[str, Any]) -> None:
    source = LdapSource(settings_of(slapd, **more))
    with pytest.raises(SourceUnavailableError) as raised:
        await plain(source, "anna", "trustno1")
    assert "anna" not in str(raised.value)
    assert "trustno1" not in str(raised.value)
    await source.aclose()


async def test_a_directory_that_refuses_all_binds_has_not_said_no() -> None:
    with Slapd(USERS, settings="restrict bind") as slapd:
        source = LdapSource(settings_of(slapd))
        with pytest.raises(SourceUnavailableError):
            await plain(source, "anna", PASSWORD)
        await source.aclose()


async def test_many_are_asked_about_at_once(source: LdapSource) -> None:
    tries = [plain(source, "anna", PASSWORD if number % 2 else "wrong") for number in range(40)]
    results = await asyncio.gather(*tries)
    assert [isinstance(result, SignedIn) for result in results] == [
        number % 2 == 1 for number in range(40)
    ]


async def test_all_names_of_one_entry_are_held_to_its_limit(
    source: LdapSource, tmp_path: Path
) -> None:
    tables = LocalSubmissionTables(tmp_path)
    sign_in = SignIn(SignInSettings(failures_of_account_there=3), source, tables, Metrics())
    names = ["anna", "anna@local.example", "ANNA", "anna@LOCAL.example", "anna"]
    results = [await plain(sign_in, name, "wrong") for name in names]
    assert results[:3] == [Rejected("anna")] * 3
    assert results[3:] == [Rejected("anna", "limited")] * 2
    assert await plain(sign_in, "anna@local.example", PASSWORD) == Rejected("anna", "limited")
    elsewhere = "198.51.100.7"
    assert await plain(sign_in, "anna@local.example", PASSWORD, elsewhere) == SignedIn("anna")
    # Now that network is known, under whatever name: others' failures do not keep the user out.
    found = await tables.failures("anna", elsewhere, 0.0)
    assert found.is_known
    await tables.aclose()


def test_settings_that_would_send_passwords_in_clear_are_refused() -> None:
    with pytest.raises(ValidationError, match="in clear"):
        Settings(url="ldap://directory.example", start_tls=False)
    Settings(url="ldap://127.0.0.1", start_tls=False)
    with pytest.raises(ValidationError, match="ldaps://HOST"):
        Settings(url="http://directory.example")
    with pytest.raises(ValidationError, match="where the name goes"):
        Settings(url="ldaps://directory.example", filter="(uid=anna)")
    with pytest.raises(ValidationError, match=r"ldap\.base"):
        SignInSettings(source="ldap")
