"""Signing in, and the limits on failures around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from countersign.gateway.metrics import Metrics
from countersign.gateway.submission.passwords import make_credentials
from countersign.gateway.submission.settings import Local
from countersign.gateway.submission.settings import SignIn as Settings
from countersign.gateway.submission.sign_in import SignIn
from countersign.gateway.submission.sources.interface import (
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.gateway.submission.sources.local import LocalSource
from countersign.storage.submission.account_rows import Deed, NewUser
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.local import LocalSubmissionTables
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import SubmissionTables
from tests.gateway.submission.sources.clients import Scram, login, plain, scram
from tests.gateway.world import free_port

PASSWORD = "vessel quarry lantern 41"
HOME, CAFE = "192.0.2.1", "192.0.2.77"
SETTINGS = Settings(
    mechanisms=("SCRAM-SHA-256", "PLAIN", "LOGIN"),
    failures_of_network=10,
    failures_of_account_there=4,
    failures_of_account=7,
    local=Local(scram_iterations=4096),
)


class Place:
    """A worker's sign-in with real users and real counts, and a clock to be set."""

    def __init__(self, directory: Path) -> None:
        self.now = 1_800_000_000.0
        self.directory = directory
        self.accounts = Accounts(directory)
        self.tables = LocalSubmissionTables(directory)
        self.metrics = Metrics()
        self.sign_in = self.worker(self.tables)

    def worker(self, tables: SubmissionTables) -> SignIn:
        source = LocalSource(self.accounts, SETTINGS.local, b"s" * 48)
        return SignIn(SETTINGS, source, tables, self.metrics, clock=lambda: self.now)

    async def start(self) -> None:
        made = make_credentials(PASSWORD, 4096)
        users = [NewUser("anna", made), NewUser("ben", made)]
        await self.accounts.add(users, Deed("test", 1.0))
        await self.sign_in.start()

    async def stop(self) -> None:
        await self.sign_in.aclose()
        await self.accounts.aclose()
        await self.tables.aclose()

    def outcomes(self, outcome: str) -> float:
        name = "countersign_sign_ins_total"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0

    async def failures(self, user: str, network: str) -> tuple[int, int, int]:
        found = await self.tables.failures(user, network, self.now - 3600)
        return found.of_network, found.of_account, found.of_account_there


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path / "submission")
    await made.start()
    yield made
    await made.stop()


async def test_whoever_knows_the_password_signs_in(place: Place) -> None:
    for way in (plain, login, scram):
        assert isinstance(await way(place.sign_in, "anna", PASSWORD), SignedIn)
    assert await place.sign_in.check("Anna", PASSWORD, HOME) == SignedIn("anna")
    assert place.outcomes("ok") == 4


async def test_what_is_offered_is_what_settings_and_source_have_in_common(place: Place) -> None:
    assert place.sign_in.mechanisms == ("SCRAM-SHA-256", "PLAIN", "LOGIN")


@pytest.mark.parametrize("way", [plain, login, scram])
async def test_after_too_many_failures_even_the_right_password_has_to_wait(
    place: Place, way: Any
) -> None:
    for _ in range(4):
        assert await plain(place.sign_in, "anna", "wrong") == Rejected("anna")
    result = await way(place.sign_in, "anna", PASSWORD)
    assert result == Rejected("anna", "limited")
    assert isinstance(await plain(place.sign_in, "ben", PASSWORD), SignedIn)
    place.now += 3601
    assert isinstance(await way(place.sign_in, "anna", PASSWORD), SignedIn)


async def test_a_page_and_a_mail_program_fail_within_one_limit(place: Place) -> None:
    for _ in range(2):
        await place.sign_in.check("anna", "wrong", HOME)
        await scram(place.sign_in, "anna", "wrong", HOME)
    assert await place.sign_in.check("anna", PASSWORD, HOME) == Rejected("anna", "limited")


async def test_who_shares_a_user_s_address_keeps_it_out_only_by_failures_of_its_account(
    place: Place,
) -> None:
    await plain(place.sign_in, "anna", PASSWORD, HOME)
    for number in range(14):
        await plain(place.sign_in, f"user{number}", "wrong", HOME)
    assert isinstance(await plain(place.sign_in, "anna", PASSWORD, HOME), SignedIn)
    assert isinstance(await scram(place.sign_in, "anna", PASSWORD, HOME), SignedIn)
    assert (await plain(place.sign_in, "ben", PASSWORD, HOME)) == Rejected("ben", "limited")
    for _ in range(4):
        await plain(place.sign_in, "anna", "wrong", HOME)
    assert await plain(place.sign_in, "anna", PASSWORD, HOME) == Rejected("anna", "limited")


async def test_of_a_name_without_an_account_a_mark_is_written_down(place: Place) -> None:
    typed = ("Trustno1!", "trustno1!", "a pass phrase with spaces", "ｔrustno1!", "trust" * 60)
    for name in typed:
        for way in (plain, login, scram):
            await way(place.sign_in, name, "wrong", CAFE)
    # Beyond the limit of an address nothing is looked at, but what was typed is noted.
    assert (await plain(place.sign_in, "trustno2!", "wrong", CAFE)).reason == "limited"
    await plain(place.sign_in, "Anna", "wrong", HOME)
    failures = await place.tables.recent_failures(100)
    assert {row.reason for row in failures} == {"password", "syntax", "limited"}
    users = {row.user for row in failures}
    assert {user for user in users if not user.startswith("unknown:")} == {"anna"}
    assert len(users) == 5, "spellings of one name have one mark"
    for file in place.directory.iterdir():
        octets = file.read_bytes().lower()
        assert b"trust" not in octets, file
        assert b"phrase" not in octets, file


async def test_guesses_at_a_name_without_an_account_are_limited_like_others(place: Place) -> None:
    reasons = [(await plain(place.sign_in, "nobody", "x", CAFE)).reason for _ in range(6)]
    assert reasons == ["password"] * 4 + ["limited"] * 2
    other = (await plain(place.sign_in, "no-one", "x", CAFE)).reason
    assert other == "password"


async def test_attackers_elsewhere_do_not_keep_a_user_out(place: Place) -> None:
    await plain(place.sign_in, "anna", PASSWORD, HOME)
    looked_at = [
        (await plain(place.sign_in, "anna", "wrong", f"198.51.100.{number}")).reason
        for number in range(12)
    ]
    assert looked_at == ["password"] * 7 + ["limited"] * 5
    assert isinstance(await plain(place.sign_in, "anna", PASSWORD, HOME), SignedIn)
    assert await plain(place.sign_in, "anna", PASSWORD, CAFE) == Rejected("anna", "limited")


async def test_one_address_cannot_try_its_luck_with_all_accounts(place: Place) -> None:
    users = [f"user{number}" for number in range(14)]
    reasons = [(await plain(place.sign_in, user, "wrong", CAFE)).reason for user in users]
    assert reasons == ["password"] * 10 + ["limited"] * 4
    # An IPv6 client is its /64.
    for number in range(10):
        await plain(place.sign_in, users[number], "wrong", f"2001:db8:1:1::{number + 1}")
    result = await plain(place.sign_in, "anna", PASSWORD, "2001:db8:1:1:ffff::1")
    assert result == Rejected("anna", "limited")
    assert isinstance(await plain(place.sign_in, "anna", PASSWORD, "2001:db8:1:2::1"), SignedIn)


async def test_guesses_at_the_same_moment_find_the_limit_too(place: Place) -> None:
    guesses = [plain(place.sign_in, "anna", f"guess {number}", CAFE) for number in range(40)]
    results = await asyncio.gather(*guesses)
    assert sum(result == Rejected("anna") for result in results) == 4
    assert sum(result == Rejected("anna", "limited") for result in results) == 36
    assert await place.failures("anna", CAFE) == (4, 4, 4)


async def test_guesses_at_the_same_moment_at_many_accounts_find_the_limit_nearly_exactly(
    place: Place,
) -> None:
    guesses = [plain(place.sign_in, f"user{number}", "guess", CAFE) for number in range(40)]
    await asyncio.gather(*guesses)
    # No more are being judged at once than four.
    assert 10 <= (await place.failures("", CAFE))[0] <= 13


async def test_guesses_at_the_same_moment_from_many_addresses_find_the_limit_nearly_exactly(
    place: Place,
) -> None:
    await plain(place.sign_in, "anna", PASSWORD, HOME)
    guesses = [
        plain(place.sign_in, "anna", "guess", f"198.51.100.{number}") for number in range(40)
    ]
    attack = asyncio.gather(*guesses)
    # Meanwhile the user is served, and need not stand in their queue.
    assert isinstance(await plain(place.sign_in, "anna", PASSWORD, HOME), SignedIn)
    assert not attack.done()
    await attack
    assert 7 <= (await place.failures("anna", CAFE))[1] <= 8


async def test_workers_side_by_side_find_one_limit_nearly_exactly(place: Place) -> None:
    other = place.worker(place.tables)
    guesses = [
        plain(worker, "anna", "guess", CAFE) for worker in (place.sign_in, other) for _ in range(20)
    ]
    await asyncio.gather(*guesses)
    assert 4 <= (await place.failures("anna", CAFE))[2] <= 5
    await other.aclose()


async def test_dialogues_begun_before_the_limit_do_not_get_past_it(place: Place) -> None:
    dialogues = [Scram(place.sign_in, "anna", "wrong", CAFE) for _ in range(10)]
    for dialogue in dialogues:
        assert await dialogue.first() is None
    results = await asyncio.gather(*(dialogue.prove() for dialogue in dialogues))
    assert sum(result == Rejected("anna") for result in results) == 4
    assert await Scram(place.sign_in, "anna", PASSWORD, CAFE).first() == Rejected("anna", "limited")


async def test_more_than_may_wait_are_told_to_come_again(place: Place) -> None:
    guesses = [plain(place.sign_in, "anna", "wrong", CAFE) for _ in range(100)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    busy = [result for result in results if isinstance(result, SourceUnavailableError)]
    assert len(busy) == place.outcomes("busy") == 100 - 65


async def test_a_guess_counts_though_its_client_has_gone(place: Place) -> None:
    for number in range(3):
        guess = asyncio.create_task(plain(place.sign_in, "anna", f"guess {number}", CAFE))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        guess.cancel()
        await asyncio.wait([guess])
    await place.sign_in.aclose()
    assert await place.failures("anna", CAFE) == (3, 3, 3)


async def test_refusals_without_a_look_at_the_password_prolong_nothing_and_fill_nothing(
    place: Place,
) -> None:
    for _ in range(4):
        await plain(place.sign_in, "anna", "wrong", CAFE)
    place.now += 1800
    for _ in range(20):
        await plain(place.sign_in, "anna", "wrong", CAFE)
    reasons = [row.reason for row in await place.tables.recent_failures()]
    assert reasons == ["limited"] + ["password"] * 4
    assert place.outcomes("limited") == 20
    place.now += 1801
    assert isinstance(await plain(place.sign_in, "anna", PASSWORD, CAFE), SignedIn)


async def test_sign_ins_outside_tls_are_counted_apart(place: Place) -> None:
    for _ in range(20):
        await place.sign_in.in_clear(HOME)
    assert place.outcomes("in-clear") == 20
    (row,) = await place.tables.recent_failures()
    assert (row.user, row.network, row.reason) == ("", HOME, "in-clear")
    assert isinstance(await plain(place.sign_in, "anna", PASSWORD, HOME), SignedIn)


async def test_a_client_without_an_address_is_counted_too(place: Place) -> None:
    for address in ("", "unix", "::ffff:192.0.2.9"):
        await place.sign_in.in_clear(address)
    networks = {row.network for row in await place.tables.recent_failures()}
    assert networks == {"local", "192.0.2.9"}


async def test_counts_that_cannot_be_reached_are_no_wrong_passwords(place: Place) -> None:
    away = place.worker(
        open_submission_tables(f"redis://127.0.0.1:{free_port()}/0", Path("/nonexistent"))
    )
    for way in (plain, login, scram):
        with pytest.raises(SourceUnavailableError):
            await way(away, "anna", PASSWORD)
    with pytest.raises(SourceUnavailableError):
        await away.check("anna", PASSWORD, HOME)
    await away.in_clear(HOME)
    assert place.outcomes("unavailable") == 4
    await away.aclose()


async def test_the_log_tells_neither_names_nor_passwords(place: Place) -> None:
    with capture_logs() as lines:
        for _ in range(6):
            await plain(place.sign_in, "hunter2", "trustno1", CAFE)
            await scram(place.sign_in, "anna", "trustno1", CAFE)
        await place.sign_in.in_clear(CAFE)
    said = repr(lines)
    assert CAFE in said
    assert all(word not in said for word in ("hunter2", "trustno1", "anna"))


async def test_a_password_that_can_be_none_is_not_asked_about(place: Place) -> None:
    assert await place.sign_in.check("anna", "", HOME) == Rejected("anna", "syntax")
    assert await place.sign_in.check("anna", "x\0y", HOME) == Rejected("anna", "syntax")
    assert await place.failures("anna", HOME) == (0, 0, 0)
