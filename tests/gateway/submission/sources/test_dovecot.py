"""Passwords checked by a real Dovecot, and by none."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from countersign.gateway.metrics import Metrics
from countersign.gateway.submission.settings import Dovecot as Settings
from countersign.gateway.submission.settings import SignIn as SignInSettings
from countersign.gateway.submission.sign_in import SignIn
from countersign.gateway.submission.sources.dovecot import DovecotSource
from countersign.gateway.submission.sources.interface import (
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.storage.submission.local import LocalSubmissionTables
from tests.gateway.submission.sources.clients import ADDRESS, Scram, login, plain, scram
from tests.peers.dovecot import Dovecot

pytestmark = pytest.mark.peer

PASSWORD = "vessel quarry lantern 41"
USERS = {"anna": PASSWORD, "ben@local.example": "other"}


@pytest.fixture(scope="module")
def running() -> Iterator[Dovecot]:
    with Dovecot(USERS) as made:
        yield made


@pytest.fixture
def dovecot(running: Dovecot) -> Dovecot:
    return running


def source_of(**dovecot: Any) -> DovecotSource:
    return DovecotSource(SignInSettings(dovecot=Settings(**dovecot)))


@pytest.fixture
async def source(dovecot: Dovecot) -> AsyncIterator[DovecotSource]:
    made = source_of(socket=dovecot.socket, timeout=10)
    await made.start()
    yield made
    await made.aclose()


@pytest.mark.parametrize("sign_in", [plain, login, scram])
async def test_the_right_password_signs_in_by_each_mechanism(
    source: DovecotSource, sign_in: Any
) -> None:
    assert (await sign_in(source, "anna", PASSWORD)).user == "anna"
    assert (await sign_in(source, "ANNA", PASSWORD)).user == "anna"
    assert await sign_in(source, "anna", "wrong") == Rejected("anna")
    assert await sign_in(source, "nobody", "wrong") == Rejected("nobody")


async def test_a_client_may_name_the_user_at_once_in_login(source: DovecotSource) -> None:
    assert isinstance(await login(source, "anna", PASSWORD, at_once=True), SignedIn)


async def test_dovecot_says_which_mechanisms_there_are() -> None:
    with Dovecot(USERS, mechanisms="plain") as dovecot:
        source = source_of(socket=dovecot.socket)
        assert source.mechanisms == ("SCRAM-SHA-256", "PLAIN", "LOGIN")
        await source.start()
        assert source.mechanisms == ("PLAIN",)
        with pytest.raises(SourceUnavailableError, match="no longer offers"):
            await scram(source, "anna", PASSWORD)
        await source.aclose()


async def test_many_sign_ins_share_a_connection_and_keep_apart(source: DovecotSource) -> None:
    tries = [(plain(source, "anna", PASSWORD if number % 2 else "wrong")) for number in range(100)]
    proofs = [scram(source, "anna", PASSWORD if number % 2 else "wrong") for number in range(20)]
    for results in (await asyncio.gather(*tries), await asyncio.gather(*proofs)):
        assert [isinstance(result, SignedIn) for result in results] == [
            number % 2 == 1 for number in range(len(results))
        ]


async def test_an_end_in_the_middle_is_no_wrong_password_and_the_next_sign_in_succeeds() -> None:
    with Dovecot(USERS) as dovecot:
        source = source_of(socket=dovecot.socket, timeout=10)
        dialogue = Scram(source, "anna", PASSWORD)
        await dialogue.first()
        dovecot.kill_authentication()
        with pytest.raises(SourceUnavailableError):
            await dialogue.prove()
        assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)
        await source.aclose()


async def test_a_restart_is_survived() -> None:
    with Dovecot(USERS) as dovecot:
        source = source_of(socket=dovecot.socket, timeout=10)
        assert isinstance(await scram(source, "anna", PASSWORD), SignedIn)
        dovecot.kill_authentication()
        dovecot.stop()
        with pytest.raises(SourceUnavailableError):
            await plain(source, "anna", PASSWORD)
        dovecot.start()
        assert isinstance(await scram(source, "anna", PASSWORD), SignedIn)
        await source.aclose()


async def test_a_dovecot_that_cannot_look_has_not_said_no() -> None:
    broken = "passdb {\n  driver = checkpassword\n  args = /nonexistent\n}"
    with Dovecot({}, mechanisms="plain login", before=broken) as dovecot:
        source = source_of(socket=dovecot.socket, timeout=10)
        for sign_in in (plain, login):
            with pytest.raises(SourceUnavailableError, match="temp_fail"):
                await sign_in(source, "anna", PASSWORD)
        await source.aclose()


async def test_a_source_that_is_away_is_unavailable(tmp_path: Path) -> None:
    source = source_of(socket=tmp_path / "nobody", timeout=1)
    await source.start()
    for sign_in in (plain, login, scram):
        with pytest.raises(SourceUnavailableError):
            await sign_in(source, "anna", PASSWORD)
    await source.aclose()


async def test_a_source_that_is_silent_is_unavailable_for_all_who_wait_together(
    tmp_path: Path,
) -> None:
    heard = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(silent, tmp_path / "silent")
    source = source_of(socket=tmp_path / "silent", timeout=0.3)
    tries = [plain(source, "anna", PASSWORD) for _ in range(20)]
    async with asyncio.timeout(5):
        results = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(result, SourceUnavailableError) for result in results)
    assert heard == 1
    await source.aclose()
    server.close()


async def test_a_server_of_another_protocol_is_unavailable(tmp_path: Path) -> None:
    async def other(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\nVERSION\t9\t9\n")
        await writer.drain()

    server = await asyncio.start_unix_server(other, tmp_path / "other")
    source = source_of(socket=tmp_path / "other", timeout=5)
    with pytest.raises(SourceUnavailableError, match="version"):
        await plain(source, "anna", PASSWORD)
    await source.aclose()
    server.close()


async def test_what_is_too_long_for_dovecot_is_not_sent(source: DovecotSource) -> None:
    result = await source.begin("PLAIN", ADDRESS).step(b"\0anna\0" + b"x" * 5000)
    assert result == Rejected("", "syntax")
    assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)


async def test_dialogues_that_clients_leave_do_not_pile_up(source: DovecotSource) -> None:
    for _ in range(50):
        await Scram(source, "anna", PASSWORD).first()
    gc.collect()
    await asyncio.sleep(0)
    link = await source.link()
    assert len(link._core._open) == 0
    assert isinstance(await scram(source, "anna", PASSWORD), SignedIn)


IGNORES_DOMAINS = """\
passdb {{
  driver = passwd-file
  args = username_format=%n {file}
}}
"""
SPELLINGS = ("anna", "anna@one", "ANNA@two.example", "anna@local.example")


@contextmanager
def dovecot_that_ignores_domains() -> Iterator[Dovecot]:
    with tempfile.NamedTemporaryFile("w", prefix="dovecot-users-") as file:
        file.write(f"anna:{{PLAIN}}{PASSWORD}\n")
        file.flush()
        # Its processes have users of their own.
        Path(file.name).chmod(0o644)
        with Dovecot({}, before=IGNORES_DOMAINS.format(file=file.name)) as dovecot:
            yield dovecot


def naming_source(dovecot: Dovecot, **settings: Any) -> DovecotSource:
    return DovecotSource(SignInSettings(dovecot=Settings(socket=dovecot.socket), **settings))


async def test_a_password_that_opens_under_any_domain_has_one_user_s_limits() -> None:
    with dovecot_that_ignores_domains() as dovecot:
        source = naming_source(dovecot, names="local-part")
        for sign_in in (plain, login, scram):
            results = [await sign_in(source, name, PASSWORD) for name in SPELLINGS]
            assert {getattr(result, "user", None) for result in results} == {"anna"}
            assert all(isinstance(result, SignedIn) for result in results)
        assert await plain(source, "anna@one", "wrong") == Rejected("anna")
        await source.aclose()


async def test_a_domain_that_is_not_listed_is_refused_and_the_log_says_once_what_to_set() -> None:
    with dovecot_that_ignores_domains() as dovecot, capture_logs() as lines:
        source = naming_source(dovecot)
        results = [await plain(source, name, PASSWORD) for name in SPELLINGS]
        assert results == [SignedIn("anna")] + [Rejected("anna", "domain")] * 3
        assert await scram(source, "anna@one", PASSWORD) == Rejected("anna", "domain")
        assert [line["event"] for line in lines] == ["user refused for the domain in the name"]
        assert "sign_in.domains" in lines[0]["advice"]
        assert "anna" not in repr(lines)
        await source.aclose()


async def test_only_domains_that_are_listed_are_part_of_names(dovecot: Dovecot) -> None:
    source = naming_source(dovecot, domains=["Local.Example"])
    assert await plain(source, "ben@local.example", "other") == SignedIn("ben@local.example")
    assert await plain(source, "ben@local.example", "wrong") == Rejected("ben@local.example")
    assert await plain(source, "anna", PASSWORD) == SignedIn("anna")
    await source.aclose()
    unlisted = naming_source(dovecot)
    assert await plain(unlisted, "ben@local.example", "other") == Rejected("ben", "domain")
    await unlisted.aclose()


@pytest.mark.parametrize("names", ["whole", "local-part"])
async def test_guesses_under_many_domains_are_guesses_at_one_account(
    tmp_path: Path, names: str
) -> None:
    with dovecot_that_ignores_domains() as dovecot:
        tables = LocalSubmissionTables(tmp_path)
        settings = SignInSettings(
            names=names, failures_of_account=4, dovecot=Settings(socket=dovecot.socket)
        )
        sign_in = SignIn(settings, DovecotSource(settings), tables, Metrics())
        await sign_in.start()
        results = [
            await plain(sign_in, f"anna@d{number}.example", "wrong", f"198.51.100.{number}")
            for number in range(6)
        ]
        assert [one.reason for one in results if isinstance(one, Rejected)] == (
            ["password"] * 4 + ["limited"] * 2
        )
        # Nobody learns that this one is right.
        result = await plain(sign_in, "anna@other.example", PASSWORD, "198.51.100.9")
        assert result == Rejected("anna", "limited")
        await sign_in.aclose()
        await tables.aclose()


async def test_other_names_of_one_user_are_held_to_its_limit(tmp_path: Path) -> None:
    with Dovecot(USERS, settings="auth_username_format = %Ln") as dovecot:
        tables = LocalSubmissionTables(tmp_path)
        settings = SignInSettings(failures_of_account_there=3)
        source = source_of(socket=dovecot.socket)
        sign_in = SignIn(settings, source, tables, Metrics())
        await sign_in.start()
        results = [await plain(sign_in, f"anna@d{number}.example", "wrong") for number in range(5)]
        assert results[:3] == [Rejected("anna")] * 3
        assert results[3:] == [Rejected("anna", "limited")] * 2
        # The right one is not told from a wrong one either.
        assert await plain(sign_in, "anna@other.example", PASSWORD) == Rejected("anna", "limited")
        assert isinstance(await plain(sign_in, "anna", PASSWORD, "198.51.100.7"), SignedIn)
        await sign_in.aclose()
        await tables.aclose()
