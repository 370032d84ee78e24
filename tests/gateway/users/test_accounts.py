"""The users' file: seen at once by other processes, and with a record that stays."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from countersign.rules.submission import Account
from countersign.storage.submission.account_rows import (
    Deed,
    EventKind,
    NewUser,
    OrderKind,
    Privilege,
    Registration,
    UserError,
)
from countersign.storage.submission.accounts import Accounts, Credentials, ScramValues
from countersign.storage.tables import TablesUnavailableError

NOW = 1_780_000_000.0
DEED = Deed("root", NOW, "because")
SCRAM = ScramValues(b"salt", b"s" * 32, b"t" * 32, 4096)
PRIVILEGE = Privilege("0123456789abcdef01234567", "2026-03-01", "2026-1")
QUESTION = {"purpose": "x", "name": "Zoë Müller-Lüdenscheidt", "birth_date": "1970-12-31"}


async def add(accounts: Accounts, *names: str) -> None:
    await accounts.add([NewUser(name, Credentials("$argon2id$x", SCRAM)) for name in names], DEED)


async def kinds(accounts: Accounts, user: str) -> list[EventKind]:
    return [event.kind for event in reversed(await accounts.events(user))]


async def test_nobody_is_needed_to_be_known_to_have_the_defaults(accounts: Accounts) -> None:
    assert await accounts.facts("alice") == Account("alice")
    assert await accounts.credentials("alice") is None


async def test_what_another_process_changes_is_seen_by_the_next_look(
    accounts: Accounts, tmp_path: Path
) -> None:
    await add(accounts, "alice")
    assert await accounts.facts("alice") == Account("alice")
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from countersign.storage.submission.accounts import Accounts\n"
        "from countersign.storage.submission.account_rows import Deed\n"
        "async def main():\n"
        "    accounts = Accounts(Path(sys.argv[1]))\n"
        "    await accounts.set_limits('alice', 7, 70, Deed('root', 1.0))\n"
        "    await accounts.set_stamping('alice', True, Deed('root', 1.0))\n"
        "    await accounts.set_disabled('alice', True, Deed('root', 1.0))\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "submission"], check=True)
    facts = await accounts.facts("alice")
    # The fourth entry of the record is the one that ends sign-ins.
    assert facts == Account("alice", False, 7, 70, True, is_disabled=True, ended_by=4)
    credentials = await accounts.credentials("alice")
    assert credentials is not None and credentials.is_disabled
    assert credentials.scram is not None and credentials.scram.salt == b"salt"


async def test_users_are_added_all_or_none(accounts: Accounts) -> None:
    await add(accounts, "bob")
    with pytest.raises(UserError, match="bob"):
        await add(accounts, "alice", "bob")
    assert [user.name for user in await accounts.list()] == ["bob"]
    assert await kinds(accounts, "alice") == []


async def test_users_are_listed_in_pages(accounts: Accounts) -> None:
    await add(accounts, "dora", "bob", "alice", "carl")
    assert [one.name for one in await accounts.list(limit=3)] == ["alice", "bob", "carl"]
    assert [one.name for one in await accounts.list("carl")] == ["dora"]


async def test_a_password_of_a_user_who_is_not_there_is_refused(accounts: Accounts) -> None:
    with pytest.raises(UserError):
        await accounts.set_password("alice", Credentials("$argon2id$x", None), DEED)


async def test_a_privilege_is_in_force_at_once_and_waits_for_the_registrar(
    accounts: Accounts,
) -> None:
    await add(accounts, "alice")
    await accounts.grant("alice", PRIVILEGE, DEED)
    assert (await accounts.facts("alice")).is_privileged
    [order] = await accounts.orders.waiting()
    assert (order.kind, order.user) == (OrderKind.REGISTER, "alice")
    assert "alice" not in str(order.payload)
    with pytest.raises(UserError, match="already"):
        await accounts.grant("alice", PRIVILEGE, DEED)
    await accounts.orders.registered(order, 17, NOW)
    user = await accounts.find("alice")
    assert user is not None and user.privilege is not None
    assert (user.privilege.registration, user.privilege.number) == (Registration.REGISTERED, 17)
    expected = [EventKind.ADDED, EventKind.PRIVILEGED, EventKind.REGISTERED]
    assert await kinds(accounts, "alice") == expected


async def test_an_outcome_is_noted_once_though_two_couriers_have_it(accounts: Accounts) -> None:
    await accounts.grant("alice", PRIVILEGE, DEED)
    [order] = await accounts.orders.waiting()
    await asyncio.gather(*(accounts.orders.registered(order, 17, NOW) for _ in range(5)))
    await accounts.orders.refused(order, "No.", NOW)
    assert await kinds(accounts, "alice") == [EventKind.PRIVILEGED, EventKind.REGISTERED]
    assert (await accounts.facts("alice")).is_privileged


async def test_a_refusal_ends_the_privilege_its_limits_and_is_to_be_told(
    accounts: Accounts,
) -> None:
    await accounts.grant("alice", PRIVILEGE, DEED)
    await accounts.set_limits("alice", 5000, 50_000, DEED)
    [order] = await accounts.orders.waiting()
    await accounts.orders.refused(order, "No.", NOW)
    assert await accounts.facts("alice") == Account("alice")
    [event] = await accounts.untold()
    assert (event.kind, event.words, event.by) == (EventKind.REFUSED, "No.", "registrar")
    assert event.details["privilege_ended"]
    await accounts.told(event)
    assert not await accounts.untold()


async def test_a_refusal_ends_no_privilege_that_was_granted_anew(accounts: Accounts) -> None:
    await accounts.grant("alice", PRIVILEGE, DEED)
    order = await accounts.orders.take(NOW, 60)
    assert order is not None
    await accounts.revoke("alice", DEED)
    await accounts.grant("alice", Privilege("f" * 24, "2026-03-01", "2026-1"), DEED)
    await accounts.orders.refused(order, "No.", NOW)
    assert (await accounts.facts("alice")).is_privileged


async def test_what_was_never_sent_is_not_sent_after_its_end(accounts: Accounts) -> None:
    await accounts.grant("alice", PRIVILEGE, DEED)
    await accounts.revoke("alice", DEED)
    assert not await accounts.orders.waiting()
    assert not (await accounts.facts("alice")).is_privileged


async def test_what_may_have_been_sent_is_revoked_after_it(accounts: Accounts) -> None:
    await accounts.grant("alice", PRIVILEGE, DEED)
    sent = await accounts.orders.take(NOW, 60)
    assert sent is not None
    await accounts.remove("alice", DEED)
    assert [one.kind for one in await accounts.orders.waiting()] == [
        OrderKind.REGISTER,
        OrderKind.REVOKE,
    ]
    # Not before the first has ended, one way or the other.
    assert await accounts.orders.take(NOW + 1, 60) is None
    await accounts.orders.registered(sent, 17, NOW)
    next_one = await accounts.orders.take(NOW + 1, 60)
    assert next_one is not None and next_one.kind is OrderKind.REVOKE


async def test_an_order_that_is_held_is_left_alone_until_its_holder_must_be_dead(
    accounts: Accounts, tmp_path: Path
) -> None:
    await accounts.grant("alice", PRIVILEGE, DEED)
    other = Accounts(tmp_path / "submission")
    first = await accounts.orders.take(NOW, 60)
    assert await other.orders.take(NOW + 59, 60) is None
    assert await other.orders.next_due() == NOW + 60
    again = await other.orders.take(NOW + 60, 60)
    assert first is not None and again is not None
    assert (again.key, again.attempts) == (first.key, 1)
    await other.aclose()


async def test_an_agreement_of_tomorrow_in_utc_waits_for_the_registrars_day(
    accounts: Accounts,
) -> None:
    await accounts.grant("alice", Privilege("a" * 24, "2026-05-29", "2026-1"), DEED)
    # DEED is of 2026-05-28, 20:26:40 UTC; the 29th in Sydney.
    assert await accounts.orders.take(NOW, 60) is None
    assert await accounts.orders.take(NOW + 4 * 3600, 60) is not None


async def test_an_answered_question_leaves_nothing_personal_in_the_files(
    accounts: Accounts, tmp_path: Path
) -> None:
    def is_stored() -> bool:
        files = (tmp_path / "submission").glob("users.db*")
        return any(b"denscheidt" in file.read_bytes() for file in files)

    await accounts.orders.ask("alice", QUESTION, DEED)
    assert is_stored()
    order = await accounts.orders.take(NOW, 60)
    assert order is not None and order.payload == QUESTION
    assert "denscheidt" not in repr(order)
    await accounts.orders.answered(order, "warned", "2025-11", NOW)
    assert not is_stored()
    [event] = await accounts.untold()
    assert event.details == {"level": "warned", "month": "2025-11"}


async def test_a_question_about_a_user_who_is_removed_is_forgotten(accounts: Accounts) -> None:
    await add(accounts, "alice")
    await accounts.orders.ask("alice", QUESTION, DEED)
    await accounts.remove("alice", DEED)
    assert not await accounts.orders.waiting()


async def test_the_record_cannot_be_changed_and_outlives_the_user(
    accounts: Accounts, tmp_path: Path
) -> None:
    await add(accounts, "alice")
    await accounts.remove("alice", DEED)
    assert await kinds(accounts, "alice") == [EventKind.ADDED, EventKind.REMOVED]
    connection = sqlite3.connect(tmp_path / "submission" / "users.db")
    for statement in ("DELETE FROM event", "UPDATE event SET by = 'nobody'"):
        with pytest.raises(sqlite3.DatabaseError, match="never changed"):
            connection.execute(statement)
    connection.close()


async def test_the_file_is_for_its_owners_eyes(accounts: Accounts, tmp_path: Path) -> None:
    await add(accounts, "alice")
    for file in (tmp_path / "submission").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "submission").stat().st_mode) == 0o700


async def test_a_damaged_file_is_could_not_tell(tmp_path: Path) -> None:
    directory = tmp_path / "damaged"
    accounts = Accounts(directory)
    await add(accounts, "alice")
    await accounts.aclose()
    for file in directory.glob("users.db*"):
        file.write_bytes(b"no database at all" * 1000)
    with pytest.raises(TablesUnavailableError):
        Accounts(directory)


async def test_a_file_that_was_put_back_from_a_backup_is_found(
    accounts: Accounts, tmp_path: Path
) -> None:
    await accounts.set_limits("alice", 7, 70, DEED)
    assert (await accounts.facts("alice")).per_day == 70
    backup = Accounts(tmp_path / "backup")
    await backup.set_limits("alice", 5, 50, DEED)
    await backup.aclose()
    store = tmp_path / "submission"
    for old in store.glob("users.db-*"):
        old.unlink()
    (tmp_path / "backup" / "users.db").replace(store / "users.db")
    assert (await accounts.facts("alice")).per_day == 50
    await accounts.set_limits("alice", 4, 40, DEED)
    assert (await accounts.facts("alice")).per_day == 40


async def test_many_processes_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from countersign.storage.submission.accounts import Accounts\n"
        "from countersign.storage.submission.account_rows import Deed, NewUser\n"
        "async def main():\n"
        "    accounts = Accounts(Path(sys.argv[1]))\n"
        "    await accounts.facts('alice')\n"
        "    await accounts.add([NewUser(sys.argv[2])], Deed('root', 1.0))\n"
        "    await accounts.aclose()\n"
        "asyncio.run(main())\n"
    )
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, tmp_path / "new", f"user{number}"
        )
        for number in range(6)
    ]
    assert [await one.wait() for one in started] == [0] * 6
    accounts = Accounts(tmp_path / "new")
    assert len(await accounts.list()) == 6
    await accounts.aclose()
