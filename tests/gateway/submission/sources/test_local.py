"""Passwords of this host's users."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.gateway.submission import passwords
from countersign.gateway.submission.passwords import (
    WeakPasswordError,
    check_strength,
    is_usable_hash,
    make_credentials,
)
from countersign.gateway.submission.settings import Local
from countersign.gateway.submission.sources.interface import (
    Challenge,
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.gateway.submission.sources.local import LocalSource
from countersign.storage.submission.account_rows import Credentials, Deed, NewUser
from countersign.storage.submission.accounts import Accounts
from tests.gateway.submission.sources.clients import ADDRESS, Scram, login, plain, scram
from tests.gateway.submission.sources.conftest import ITERATIONS, PASSWORD

DEED = Deed("test", 2.0)


@pytest.mark.parametrize("sign_in", [plain, login, scram])
async def test_the_right_password_signs_in_by_each_mechanism(
    source: LocalSource, sign_in: Any
) -> None:
    assert (await sign_in(source, "anna", PASSWORD)).user == "anna"
    assert isinstance(await sign_in(source, "Anna", PASSWORD), SignedIn)
    assert await sign_in(source, "anna", PASSWORD + "x") == Rejected("anna")


async def test_a_client_may_name_the_user_at_once_in_login(source: LocalSource) -> None:
    assert isinstance(await login(source, "anna", PASSWORD, at_once=True), SignedIn)


async def test_a_client_without_an_initial_response_is_asked(source: LocalSource) -> None:
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        assert await source.begin(mechanism, ADDRESS).step(None) == Challenge(b"")


async def test_nobody_acts_for_another(source: LocalSource) -> None:
    same = await plain(source, "anna", PASSWORD, authorisation="Anna")
    other = await plain(source, "anna", PASSWORD, authorisation="ben")
    assert isinstance(same, SignedIn)
    assert other == Rejected("anna", "authorisation")


async def test_a_disabled_user_does_not_get_in(source: LocalSource, accounts: Accounts) -> None:
    await accounts.set_disabled("anna", True, DEED)
    assert await plain(source, "anna", PASSWORD) == Rejected("anna", "disabled")
    assert await scram(source, "anna", PASSWORD) == Rejected("anna", "disabled")
    assert await plain(source, "anna", "wrong") == Rejected("anna", "password")


async def test_an_unknown_user_costs_the_work_of_a_known_one_and_gets_the_same_reply(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    verify = passwords.verify

    def counted(argon2_hash: str, password: str) -> bool:
        done.append((extract_parameters(argon2_hash), password))
        return verify(argon2_hash, password)

    monkeypatch.setattr(passwords, "verify", counted)
    known = await plain(source, "anna", "wrong")
    unknown = await plain(source, "nobody", "wrong")
    assert isinstance(known, Rejected)
    assert isinstance(unknown, Rejected)
    assert known.reason == unknown.reason
    assert len(done) == 2
    assert done[0] == done[1]


async def test_an_unknown_user_has_salt_and_rounds_like_any_other(
    source: LocalSource, accounts: Accounts
) -> None:
    async def shown(user: str) -> tuple[str, str]:
        dialogue = Scram(source, user, "wrong")
        await dialogue.first()
        assert await dialogue.prove() == Rejected(user)
        _, salt, iterations = dialogue.server_first.split(",")
        return salt, iterations

    known, unknown = await shown("anna"), await shown("nobody")
    assert await shown("nobody") == unknown
    assert (await shown("no-one"))[0] != unknown[0]
    assert known[1] == unknown[1] == f"i={ITERATIONS}"
    assert len(known[0]) == len(unknown[0])
    again = LocalSource(accounts, Local(scram_iterations=ITERATIONS), b"s" * 48)
    dialogue = Scram(again, "nobody", "wrong")
    await dialogue.first()
    assert unknown[0] in dialogue.server_first


async def test_no_more_than_four_passwords_are_checked_at_once(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify, lock = passwords.verify, threading.Lock()
    running = most = 0

    def counted(argon2_hash: str, password: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return verify(argon2_hash, password)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(passwords, "verify", counted)
    results = await asyncio.gather(*(plain(source, "anna", "wrong") for _ in range(16)))
    assert results == [Rejected("anna")] * 16
    assert most == 4


async def test_a_password_kept_in_an_old_form_is_renewed_at_sign_in(
    source: LocalSource, accounts: Accounts
) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    await accounts.set_password("anna", Credentials(old, None), DEED)
    assert await scram(source, "anna", PASSWORD) == Rejected("anna")
    assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)
    kept = await accounts.credentials("anna")
    assert kept is not None
    assert extract_parameters(kept.argon2_hash).memory_cost == 46 * 1024
    assert isinstance(await scram(source, "anna", PASSWORD), SignedIn)
    assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)
    assert await accounts.credentials("anna") == kept


async def test_a_password_that_was_changed_meanwhile_is_not_overwritten(
    accounts: Accounts,
) -> None:
    before = await accounts.credentials("anna")
    assert before is not None
    changed = make_credentials("another one entirely 77", ITERATIONS)
    await accounts.set_password("anna", changed, DEED)
    assert not await accounts.renew("anna", before.argon2_hash, before)
    assert await accounts.credentials("anna") == changed


async def test_a_password_without_a_form_for_scram_serves_for_plain(
    source: LocalSource, accounts: Accounts
) -> None:
    password = "lantern \U0001f9a4 quarry vessel"
    made = make_credentials(password, ITERATIONS)
    assert made.scram is None
    await accounts.add([NewUser("ben", made)], DEED)
    assert isinstance(await plain(source, "ben", password), SignedIn)
    assert await accounts.credentials("ben") == made


async def test_a_password_typed_in_another_composition_is_the_same(
    source: LocalSource, accounts: Accounts
) -> None:
    await accounts.add([NewUser("ben", make_credentials("pässwörter ﬁnden", 4096))], DEED)
    typed = "pa\u0308sswo\u0308rter finden"
    assert isinstance(await plain(source, "ben", typed), SignedIn)
    assert isinstance(await scram(source, "ben", typed), SignedIn)


@pytest.mark.parametrize(
    ("user", "password"),
    [("anna", ""), ("anna", "x" * 2000), ("x" * 300, PASSWORD), ("an na", PASSWORD), ("", "x")],
)
async def test_what_can_be_no_name_or_password_is_not_looked_at(
    source: LocalSource, user: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(passwords, "verify")
    result = await plain(source, user, password)
    assert isinstance(result, Rejected)
    assert result.reason == "syntax"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=300) | st.text(max_size=50).map(lambda text: b"n,,n=anna," + text.encode()),
    st.binary(max_size=300) | st.text(max_size=50).map(lambda text: b"c=biws,r=" + text.encode()),
)
async def test_no_message_of_scram_makes_it_fail_in_another_way(
    source: LocalSource, first: bytes, then: bytes
) -> None:
    exchange = source.begin("SCRAM-SHA-256", ADDRESS)
    result = await exchange.step(first)
    assert isinstance(result, Challenge | Rejected)
    if isinstance(result, Challenge):
        assert isinstance(await exchange.step(then), Rejected)


@pytest.mark.parametrize(
    "first",
    [
        b"p=tls-unique,,n=anna,r=abc",
        b"n,a=ben,n=anna,r=abc",
        b"n,,n=anna,r=" + b"x" * 3000,
        b"n,,r=abc",
        b"n,,n=an=40na,r=abc",
    ],
)
async def test_what_scram_does_not_allow_here_is_refused(source: LocalSource, first: bytes) -> None:
    result = await source.begin("SCRAM-SHA-256", ADDRESS).step(first)
    assert isinstance(result, Rejected)
    assert result.reason == "syntax"


async def test_users_that_cannot_be_read_are_no_wrong_passwords(
    source: LocalSource, tmp_path: Path
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "submission" / "users.db")) as database:
        database.execute("ALTER TABLE user RENAME TO lost")
        database.commit()
    for sign_in in (plain, login, scram):
        with pytest.raises(SourceUnavailableError):
            await sign_in(source, "anna", PASSWORD)


async def test_a_hash_that_is_broken_is_no_wrong_password(
    source: LocalSource, accounts: Accounts
) -> None:
    good = make_credentials(PASSWORD, ITERATIONS).argon2_hash
    for broken in ("$argon2id$nothing", good.replace("$argon2id$", "$argon2x$"), good[:-9] + "!"):
        await accounts.set_password("anna", Credentials(broken, None), DEED)
        for sign_in in (plain, login):
            with pytest.raises(SourceUnavailableError) as raised:
                await sign_in(source, "anna", PASSWORD)
            assert broken not in str(raised.value)


def test_a_want_of_memory_is_no_wrong_password() -> None:
    # In a process of its own, whose memory can be bounded.
    script = f"""\
import resource
from countersign.gateway.submission.passwords import HASHER, argon2_hash, verify
from countersign.gateway.submission.sources.interface import SourceUnavailableError
kept = HASHER.hash({PASSWORD!r})
assert verify(kept, {PASSWORD!r})
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (16 << 20), now + (16 << 20)))
for work in (lambda: verify(kept, {PASSWORD!r}), lambda: argon2_hash("another")):
    try:
        work()
    except SourceUnavailableError as error:
        print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert ran.stdout.count("emory") == 2, ran.stdout + ran.stderr


async def test_a_password_that_cannot_be_renewed_for_want_of_memory_signs_in_all_the_same(
    source: LocalSource, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    await accounts.set_password("anna", Credentials(old, None), DEED)
    # More than argon2 will take.
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(memory_cost=2**32 - 1))
    assert isinstance(await plain(source, "anna", PASSWORD), SignedIn)
    kept = await accounts.credentials("anna")
    assert kept is not None
    assert kept.argon2_hash == old


def test_weak_passwords_are_refused_with_words_for_their_owner() -> None:
    for weak in ("short", "password1234", "anna@local.example", "x" * 200):
        with pytest.raises(WeakPasswordError, match="password"):
            check_strength(weak, "anna@local.example")
    check_strength(PASSWORD, "anna@local.example")


def test_hashes_from_elsewhere_are_bounded() -> None:
    assert is_usable_hash(make_credentials(PASSWORD, 4096).argon2_hash)
    salt, key = (base64.b64encode(bytes(16)).decode().rstrip("=") for _ in range(2))
    assert not is_usable_hash(f"$argon2id$v=19$m=99999999,t=2,p=1${salt}${key}")
    assert not is_usable_hash(f"$argon2i$v=19$m=65536,t=2,p=1${salt}${key}")
    assert not is_usable_hash("{SSHA}abc")
