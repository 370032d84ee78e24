"""What submission counts, in SQLite and on a real Valkey or Redis: the same behaviour."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from countersign.rules.submission import DAY, Account
from countersign.storage.submission import account_database, local, local_locks, sign_ins
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.sqlite_file import connect
from countersign.storage.submission.tables import (
    Counted,
    Failures,
    Lock,
    LockReason,
    SignInFailure,
    Standing,
    SubmissionTables,
    Usage,
)

NOW = 1_700_000_000.123456
USER = "ann@example.org"
NETWORK = "192.0.2.1"


async def counted(tables: SubmissionTables, user: str, recipients: int, now: float) -> Counted:
    found = await tables.reserve(user, recipients, None, now)
    assert isinstance(found, Counted)
    return found


async def locked(
    tables: SubmissionTables, user: str = USER, now: float = NOW, wanted: int = 11
) -> Lock:
    found = await tables.reserve(user, wanted, 10, now)
    assert isinstance(found, Lock)
    return found


# -- counts --------------------------------------------------------------------------------------


async def test_recipients_of_24_hours_are_counted(tables: SubmissionTables) -> None:
    assert (await counted(tables, USER, 3, NOW)).used == 3
    assert (await counted(tables, USER, 4, NOW + 60)).used == 7
    assert await tables.used(USER, NOW + 60) == 7
    assert await tables.used("bob@example.org", NOW + 60) == 0


async def test_what_is_a_day_old_counts_no_more(tables: SubmissionTables) -> None:
    await counted(tables, USER, 3, NOW)
    await counted(tables, USER, 4, NOW + 60)
    assert await tables.used(USER, NOW + DAY - 1) == 7
    assert await tables.used(USER, NOW + DAY) == 4
    assert (await counted(tables, USER, 1, NOW + DAY)).used == 5
    assert await tables.used(USER, NOW + DAY + 60) == 1


async def test_exactly_the_limit_may_be_sent_and_one_more_locks(tables: SubmissionTables) -> None:
    assert await tables.reserve(USER, 299, 300, NOW) is not None
    last = await tables.reserve(USER, 1, 300, NOW + 1)
    assert isinstance(last, Counted)
    assert last.used == 300
    lock = await tables.reserve(USER, 1, 300, NOW + 2)
    assert lock == Lock(USER, LockReason.DAILY_LIMIT, NOW + 2, used=300, wanted=1, limit=300)
    assert await tables.used(USER, NOW + 2) == 300


async def test_a_locked_account_counts_nothing_and_is_told_its_lock(
    tables: SubmissionTables,
) -> None:
    lock = await locked(tables)
    assert await tables.reserve(USER, 1, None, NOW + 5) == lock
    assert await tables.used(USER, NOW + 5) == 0
    assert await tables.lock_of(USER) == lock
    assert await tables.lock_of("bob@example.org") is None


async def test_a_message_taken_back_counts_no_more_even_twice(tables: SubmissionTables) -> None:
    first = await counted(tables, USER, 3, NOW)
    await counted(tables, USER, 4, NOW)
    await tables.release(first.reservation)
    await tables.release(first.reservation)
    assert await tables.used(USER, NOW) == 4
    assert await tables.top(NOW) == [Usage(USER, 4, 1)]


async def test_a_message_taken_back_after_a_day_changes_nothing(tables: SubmissionTables) -> None:
    first = await counted(tables, USER, 3, NOW)
    await counted(tables, USER, 4, NOW + DAY)
    await tables.release(first.reservation)
    assert await tables.used(USER, NOW + DAY) == 4


@pytest.mark.parametrize("reservation", ["", "x", "1:2", "99999999999999999999999", "a:-1:b", "²"])
async def test_an_unknown_reservation_is_no_error(
    tables: SubmissionTables, reservation: str
) -> None:
    await counted(tables, USER, 3, NOW)
    await tables.release(reservation)
    assert await tables.used(USER, NOW) == 3


async def test_a_clock_that_goes_back_and_is_put_right_loses_nothing(
    tables: SubmissionTables,
) -> None:
    await counted(tables, USER, 5, NOW)
    wrong = NOW - 3 * DAY
    assert (await counted(tables, USER, 6, wrong)).used == 11
    assert await tables.used(USER, wrong) == 11
    await tables.sweep(NOW)
    assert await tables.used(USER, NOW + 60) == 11
    assert (await counted(tables, USER, 1, NOW + 60)).used == 12


async def test_a_clock_that_was_ahead_for_hours_forgets_nothing(tables: SubmissionTables) -> None:
    await counted(tables, USER, 5, NOW)
    assert (await counted(tables, USER, 1, NOW + DAY + 7200)).used == 1
    assert await tables.used(USER, NOW + 60) == 6


async def test_hours_are_told_the_oldest_first(tables: SubmissionTables) -> None:
    for hours, recipients in ((0, 1), (0.5, 2), (10, 4), (23.5, 8)):
        await counted(tables, USER, recipients, NOW + hours * 3600)
    found = await tables.hours(USER, NOW + DAY - 1)
    assert len(found) == 24
    assert {number: value for number, value in enumerate(found) if value} == {0: 3, 10: 4, 23: 8}
    assert await tables.hours("bob@example.org", NOW) == (0,) * 24


async def test_hours_of_somebody_who_sends_much_are_all_counted(tables: SubmissionTables) -> None:
    await asyncio.gather(*(counted(tables, USER, 2, NOW + one) for one in range(1200)))
    assert sum(await tables.hours(USER, NOW + 1200)) == 2400


async def test_those_who_sent_most_come_first_and_old_totals_do_not_mislead(
    tables: SubmissionTables,
) -> None:
    await counted(tables, "old", 1000, NOW)
    for number in range(5):
        await counted(tables, f"user{number}", 10 + number, NOW + DAY)
    await counted(tables, "user0", 100, NOW + DAY)
    assert await tables.top(NOW + DAY, 3) == [
        Usage("user0", 110, 2),
        Usage("user4", 14, 1),
        Usage("user3", 13, 1),
    ]
    assert len(await tables.top(NOW + DAY)) == 5
    assert await tables.top(NOW + 9 * DAY) == []


async def test_many_at_once_get_exactly_the_limit(tables: SubmissionTables) -> None:
    found = await asyncio.gather(
        *(tables.reserve(USER, 1, 300, NOW + n / 1000) for n in range(400))
    )
    assert sum(isinstance(one, Counted) for one in found) == 300
    assert len({one.reservation for one in found if isinstance(one, Counted)}) == 300
    assert len(await tables.locks()) == len(await tables.untold()) == 1


# -- locks ---------------------------------------------------------------------------------------


async def test_one_look_tells_lock_count_and_last_unlock(tables: SubmissionTables) -> None:
    assert await tables.standing(USER, NOW) == Standing(None, 0)
    await counted(tables, USER, 7, NOW)
    assert await tables.standing(USER, NOW) == Standing(None, 7)
    lock = await locked(tables)
    assert await tables.standing(USER, NOW) == Standing(lock, 7)
    assert await tables.unlock(USER, forget=False, now=NOW + 0.000_001)
    assert await tables.standing(USER, NOW) == Standing(None, 7, NOW + 0.000_001)
    assert await tables.standing("bob", NOW) == Standing(None, 0)
    assert await tables.standing(USER, NOW + DAY) == Standing(None, 0, NOW + 0.000_001)


async def test_only_a_lock_that_was_lifted_makes_an_unlock(tables: SubmissionTables) -> None:
    assert not await tables.unlock(USER, forget=True, now=NOW)
    assert (await tables.standing(USER, NOW)).unlocked_at == 0


async def test_an_unlock_is_remembered_for_two_days(tables: SubmissionTables) -> None:
    await locked(tables)
    await tables.unlock(USER, forget=False, now=NOW)
    assert await tables.sweep(NOW + 2 * DAY - 1) == 0
    assert (await tables.standing(USER, NOW)).unlocked_at == NOW
    assert await tables.sweep(NOW + 2 * DAY) == 1
    assert (await tables.standing(USER, NOW)).unlocked_at == 0


async def test_an_unlocked_account_is_locked_again_unless_its_count_is_forgotten(
    tables: SubmissionTables,
) -> None:
    await counted(tables, USER, 10, NOW)
    await locked(tables, wanted=1)
    assert await tables.unlock(USER, forget=False, now=NOW)
    await locked(tables, wanted=1)
    assert await tables.unlock(USER, forget=True, now=NOW)
    assert await tables.used(USER, NOW) == 0
    assert isinstance(await tables.reserve(USER, 10, 10, NOW), Counted)
    assert not await tables.unlock(USER, forget=False, now=NOW)


async def test_a_message_counted_before_its_count_was_forgotten_can_be_taken_back(
    tables: SubmissionTables,
) -> None:
    before = await counted(tables, USER, 10, NOW)
    await tables.unlock(USER, forget=True, now=NOW)
    await counted(tables, USER, 3, NOW)
    await tables.release(before.reservation)
    assert await tables.used(USER, NOW) == 3


async def test_a_lock_by_the_administrator_has_his_words_and_is_not_told_him(
    tables: SubmissionTables,
) -> None:
    lock = Lock(USER, LockReason.ADMINISTRATOR, NOW, words="stolen – “ask” me\0\n")
    assert await tables.lock(lock)
    assert not await tables.lock(lock)
    assert await tables.reserve(USER, 1, None, NOW) == lock
    assert await tables.untold() == []


async def test_locks_are_shown_newest_first_and_told_oldest_first(tables: SubmissionTables) -> None:
    first, second = await locked(tables, "ann", NOW), await locked(tables, "bob", NOW + 1)
    assert await tables.locks() == [second, first]
    assert await tables.untold() == [first, second]
    await tables.told(first)
    await tables.told(first)
    assert await tables.untold() == [second]
    assert await tables.locks() == [second, first]


async def test_a_lock_lifted_before_it_was_told_is_told_all_the_same(
    tables: SubmissionTables,
) -> None:
    first = await locked(tables)
    await tables.unlock(USER, forget=True, now=NOW)
    assert await tables.lock_of(USER) is None
    assert await tables.locks() == []
    second = await locked(tables, now=NOW + 10)
    assert await tables.untold() == [first, second]
    await tables.told(first)
    assert await tables.untold() == [second]
    assert await tables.lock_of(USER) == second
    await tables.unlock(USER, forget=False, now=NOW)
    await tables.sweep(NOW + 1000 * DAY)
    assert await tables.untold() == [second]
    await tables.told(second)
    assert await tables.untold() == []


# -- sign-ins ------------------------------------------------------------------------------------


def failure(
    at: float = NOW, user: str = USER, network: str = NETWORK, reason: str = "password"
) -> SignInFailure:
    return SignInFailure(at, user, network, reason)


async def test_failures_are_counted_by_network_by_account_and_by_both(
    tables: SubmissionTables,
) -> None:
    await tables.failed(failure(NOW))
    await tables.failed(failure(NOW + 1, user="bob"))
    await tables.failed(failure(NOW + 2, network="2001:db8::/64"))
    found = await tables.failures(USER, NETWORK, NOW - 10)
    assert found == Failures(of_network=2, of_account=2, of_account_there=1, is_known=False)
    found = await tables.failures(USER, NETWORK, NOW)
    assert found == Failures(of_network=1, of_account=1, of_account_there=0, is_known=False)


@pytest.mark.parametrize("reason", ["limited", "in-clear"])
async def test_what_was_refused_without_a_look_is_shown_and_not_counted(
    tables: SubmissionTables, reason: str
) -> None:
    await tables.failed(failure(reason=reason))
    assert await tables.failures(USER, NETWORK, NOW - 1) == Failures(0, 0, 0, is_known=False)
    assert await tables.recent_failures() == [failure(reason=reason)]


async def test_failures_that_are_pardoned_count_no_more_and_are_still_shown(
    tables: SubmissionTables,
) -> None:
    for number, user in enumerate((USER, USER, "bob")):
        await tables.failed(failure(NOW + number, user=user))
    assert await tables.pardon(USER) == 2
    assert await tables.pardon(USER) == 0
    found = await tables.failures(USER, NETWORK, NOW - 10)
    assert found == Failures(of_network=1, of_account=0, of_account_there=0, is_known=False)
    assert [one.user for one in await tables.recent_failures()] == ["bob", USER, USER]
    await tables.failed(failure(NOW + 9))
    assert (await tables.failures(USER, NETWORK, NOW - 10)).of_account_there == 1


async def test_the_newest_failures_come_first(tables: SubmissionTables) -> None:
    for number in range(5):
        await tables.failed(failure(NOW + number))
    assert [one.at for one in await tables.recent_failures(2)] == [NOW + 4, NOW + 3]
    assert await tables.recent_failures(0) == []


@pytest.mark.parametrize(
    "name", ["x" * 10_000, "a\ud800b", "", "a b\0c:d", "'; DROP TABLE x", "ä€𝄞"]
)
async def test_any_name_can_be_noted(tables: SubmissionTables, name: str) -> None:
    await tables.failed(failure(user=name))
    assert (await tables.failures(name, NETWORK, NOW - 1)).of_account_there == 1
    assert len((await tables.recent_failures())[0].user) <= 255


async def test_a_network_is_known_for_90_days_after_a_sign_in(tables: SubmissionTables) -> None:
    await tables.signed_in(USER, NETWORK, NOW)
    assert (await tables.failures(USER, NETWORK, NOW - 10)).is_known
    assert not (await tables.failures(USER, "192.0.2.2", NOW - 10)).is_known
    assert not (await tables.failures("bob", NETWORK, NOW - 10)).is_known
    await tables.sweep(NOW + 89 * DAY)
    assert (await tables.failures(USER, NETWORK, NOW + 89 * DAY)).is_known
    await tables.signed_in(USER, NETWORK, NOW + 89 * DAY)
    await tables.sweep(NOW + 100 * DAY)
    assert (await tables.failures(USER, NETWORK, NOW + 100 * DAY)).is_known
    assert await tables.sweep(NOW + 180 * DAY) == 1
    assert not (await tables.failures(USER, NETWORK, NOW + 100 * DAY)).is_known


async def test_networks_of_an_account_are_bounded_and_the_newest_stay(
    tables: SubmissionTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sign_ins, pytest.importorskip("countersign.storage.submission.valkey_sign_ins")):
        monkeypatch.setattr(module, "MAX_KNOWN", 5)
    for number in range(8):
        await tables.signed_in(USER, f"192.0.2.{number}", NOW + number)
    known = [
        (await tables.failures(USER, f"192.0.2.{number}", NOW)).is_known for number in range(8)
    ]
    assert known == [False] * 3 + [True] * 5


async def test_who_fails_without_end_makes_nobodys_failures_forgotten(
    tables: SubmissionTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sign_ins, pytest.importorskip("countersign.storage.submission.valkey_sign_ins")):
        monkeypatch.setattr(module, "MAX_FAILURES", 100)
    for number in range(20):
        await tables.failed(failure(NOW + number))
        await tables.failed(failure(NOW + number, user=f"u{number}", network="192.0.2.66"))
    for number in range(300):
        await tables.failed(failure(NOW + 100 + number, "x", "192.0.2.66", "limited"))
    assert len(await tables.recent_failures(1000)) == 100
    assert (await tables.failures(USER, NETWORK, NOW - 1)).of_account_there == 20
    assert (await tables.failures(USER, "192.0.2.66", NOW - 1)).of_network == 20


@pytest.mark.parametrize("reason", ["password", "limited"])
async def test_guesses_from_everywhere_have_none_of_an_account_forgotten(
    tables: SubmissionTables, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    for module in (sign_ins, pytest.importorskip("countersign.storage.submission.valkey_sign_ins")):
        monkeypatch.setattr(module, "MAX_FAILURES", 300)
    # A month of noise: the table is full, and no network has more than one row.
    for number in range(300):
        await tables.failed(failure(NOW + number, f"u{number}", f"10.0.{number}", reason))
    for number in range(60):
        await tables.failed(failure(NOW + DAY + number, USER, f"z{number}"))
        await tables.failed(failure(NOW + DAY + number, f"v{number}", f"z{number}", reason))
    assert len(await tables.recent_failures(1000)) == 300
    assert (await tables.failures(USER, NETWORK, NOW + DAY - 1)).of_account == 60


async def test_at_most_ten_thousand_failures_are_kept(tables: SubmissionTables) -> None:
    for block in range(21):
        await asyncio.gather(
            *(tables.failed(failure(NOW + block, network=f"n{one % 7}")) for one in range(500))
        )
    assert len(await tables.recent_failures(20_000)) == 10_000
    assert (await tables.failures(USER, "n1", NOW - 1)).of_account == 10_000


# -- upkeep --------------------------------------------------------------------------------------


async def test_a_sweep_deletes_what_has_passed_and_nothing_else(tables: SubmissionTables) -> None:
    await counted(tables, "old", 3, NOW)
    await counted(tables, USER, 4, NOW + 2 * DAY)
    lock = await locked(tables, "bob")
    await tables.failed(failure(NOW))
    assert await tables.sweep(NOW + 2 * DAY) == 2
    assert await tables.used(USER, NOW + 2 * DAY) == 4
    assert await tables.used("old", NOW) == 0
    assert await tables.lock_of("bob") == lock
    assert await tables.sweep(NOW + 32 * DAY) == 3
    assert await tables.recent_failures() == []
    assert await tables.top(NOW + 2 * DAY) == []
    assert await tables.sweep(NOW + 32 * DAY) == 0


async def test_another_process_finds_what_was_counted(where: str, tmp_path: Path) -> None:
    first = open_submission_tables(where, tmp_path)
    await counted(first, USER, 3, NOW)
    lock = await locked(first, "bob")
    await first.aclose()
    second = open_submission_tables(where, tmp_path)
    assert await second.used(USER, NOW) == 3
    assert await second.locks() == [lock]
    await second.aclose()


async def test_files_of_the_first_version_are_brought_up_to_date(tmp_path: Path) -> None:
    for name, schema in (("counts.db", local.SCHEMA), ("users.db", account_database.SCHEMA)):
        first = connect(tmp_path / name, schema[:1], synchronous="FULL", busy_timeout=1)
        assert first.execute("PRAGMA user_version").fetchone() == (1,)
        if name == "counts.db":
            local_locks.add(first, Lock(USER, LockReason.ADMINISTRATOR, NOW))
        first.close()
    tables, accounts = open_submission_tables("", tmp_path), Accounts(tmp_path)
    assert await tables.unlock(USER, forget=False, now=NOW + 1)
    assert await tables.standing(USER, NOW) == Standing(None, 0, NOW + 1)
    assert await accounts.facts(USER) == Account(USER)
    await accounts.aclose()
    await tables.aclose()
