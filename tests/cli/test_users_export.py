"""The hosts of a farm are brought to the same users by export on one and import on the others."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from pathlib import Path

import pytest

from countersign.storage.submission.account_rows import Event
from countersign.storage.submission.accounts import Accounts
from tests.cli.test_users import CHEAP, GOOD, Host

NEW = "an otter in the old mill"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return _host(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> Host:
    return _host(tmp_path / "other")


def _host(directory: Path) -> Host:
    directory.mkdir()
    return Host(directory)


def exported(host: Host) -> Path:
    """Export; return the file."""
    file = host.directory / f"users-{time.monotonic_ns()}.jsonl"
    host.run("export", "-o", str(file))
    return file


def registered(host: Host, number: int) -> None:
    """Let the registrar's answer to what waits come."""

    async def answer() -> None:
        accounts = Accounts(host.store)
        order = await accounts.orders.take(time.time() + 86400, 60)
        assert order is not None
        await accounts.orders.registered(order, number, time.time())
        await accounts.aclose()

    asyncio.run(answer())


def waiting(host: Host) -> int:
    async def count() -> int:
        accounts = Accounts(host.store)
        found = len(await accounts.orders.waiting())
        await accounts.aclose()
        return found

    return asyncio.run(count())


def record(host: Host, user: str) -> list[Event]:
    """Return what was decided, the newest first."""

    async def read() -> list[Event]:
        accounts = Accounts(host.store)
        found = list(await accounts.events(user))
        await accounts.aclose()
        return found

    return asyncio.run(read())


def test_what_is_exported_is_imported_on_another_host_as_it_was(host: Host, other: Host) -> None:
    host.add("alice")
    host.run("limit", "alice", "--per-day", "1000")
    host.run("stamp", "alice", "off")
    host.run("privilege", "alice", "--accepted", "2026-03-01")
    registered(host, 7)
    host.add("bob")
    host.run("disable", "bob")
    file = exported(host)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other.run("import", str(file))
    assert exported(other).read_text() == file.read_text()
    assert json.loads(file.read_text().splitlines()[0])["per_day"] == 1000
    assert other.check("alice", GOOD)
    assert "registered with the number 7" in other.run("show", "alice")
    assert waiting(other) == 0


def test_all_that_was_decided_on_one_host_reaches_another(host: Host, other: Host) -> None:
    for name in ("alice", "bob", "carl"):
        host.add(name)
    other.run("import", str(exported(host)))
    other.add("dora")
    host.run("password", "alice", "--password-stdin", stdin=f"{NEW}\n")
    host.run("limit", "alice", "--per-day", "40")
    host.run("disable", "bob")
    host.run("remove", "carl", "--yes")
    host.add("eve")
    said = other.run("import", str(exported(host)), "--replace")
    assert "1 users are added, 2 replaced, 0 were so already." in said
    assert other.check("alice", NEW) and not other.check("alice", GOOD)
    assert "alice 0 40 50" in other.run("list") and "disabled" in other.run("list", "bob")
    assert other.check("eve", GOOD)
    # Who is not in the list may be of this host only: to remove him is for a person.
    assert "users remove carl" in said and "users remove dora" in said
    assert other.check("carl", GOOD)


def test_what_a_list_has_changed_is_recorded_and_what_it_has_not_is_not(
    host: Host, other: Host
) -> None:
    host.add("alice")
    file = exported(host)
    other.run("import", str(file))
    assert "0 replaced, 1 were so already" in other.run("import", str(file), "--replace")
    assert len(record(other, "alice")) == 1
    host.run("password", "alice", "--password-stdin", stdin=f"{NEW}\n")
    host.run("limit", "alice", "--per-day", "40")
    other.run("import", str(exported(host)), "--replace")
    newest, _ = record(other, "alice")
    assert newest.details == {"changed": "password, per_day"}
    assert "imported" in other.run("show", "alice")


def ended_by(host: Host, user: str) -> int:
    """Return the number of the entry that ended a user's sign-ins."""

    async def read() -> int:
        accounts = Accounts(host.store)
        found = (await accounts.facts(user)).ended_by
        await accounts.aclose()
        return found

    return asyncio.run(read())


def test_a_password_that_a_list_brings_ends_what_was_signed_in_with_the_old_one(
    host: Host, other: Host
) -> None:
    host.add("alice")
    file = exported(host)
    other.run("import", str(file))
    before = ended_by(other, "alice")
    other.run("import", str(file), "--replace")
    assert ended_by(other, "alice") == before
    host.run("password", "alice", "--generate")
    other.run("import", str(exported(host)), "--replace")
    assert ended_by(other, "alice") > before


def test_users_whom_the_mta_lets_in_reach_another_host_those_who_are_disabled_too(
    host: Host, other: Host
) -> None:
    for one in (host, other):
        one.configure("[milter]\nenabled = true")
    host.run("limit", "alice", "--per-day", "40")
    host.run("limit", "bob", "--per-day", "50")
    host.run("disable", "alice")
    other.run("import", str(exported(host)))
    assert exported(other).read_text() == exported(host).read_text()
    host.run("enable", "alice")
    host.run("disable", "bob")
    other.run("import", str(exported(host)), "--replace")
    assert record(other, "bob")[0].details == {"changed": "is_disabled"}
    assert exported(other).read_text() == exported(host).read_text()


def test_a_trial_replaces_nothing(host: Host, other: Host) -> None:
    host.add("alice")
    host.run("limit", "alice", "--per-day", "40")
    other.add("alice")
    said = other.run("import", str(exported(host)), "--replace", "--dry-run")
    assert "0 users can be added, 1 can be replaced" in said
    assert "alice 0 300 50" in other.run("list")


def test_a_privilege_that_ended_on_one_host_ends_on_another_and_is_told_once(
    host: Host, other: Host
) -> None:
    host.add("alice")
    host.run("privilege", "alice", "--accepted", "2026-03-01")
    registered(host, 7)
    other.run("import", str(exported(host)))
    host.run("revoke", "alice")
    other.run("import", str(exported(host)), "--replace")
    assert "alice 0 300 50" in other.run("list")
    assert [one.kind for one in record(other, "alice")] == ["imported", "revoked", "imported"]
    assert (waiting(host), waiting(other)) == (1, 0)


def test_the_registrar_is_told_by_the_host_that_granted_a_privilege_which_a_list_ends(
    host: Host, other: Host
) -> None:
    host.add("alice")
    other.add("alice")
    other.run("privilege", "alice", "--accepted", "2026-03-01")
    registered(other, 9)
    said = other.run("import", str(exported(host)), "--replace")
    assert "The registrar is told later" in said
    assert waiting(other) == 1
    assert "alice 0 300 50" in other.run("list")


def test_a_privilege_that_the_registrar_does_not_know_of_yet_waits_on_its_own_host_only(
    host: Host, other: Host
) -> None:
    host.add("alice")
    host.run("privilege", "alice", "--accepted", "2026-03-01")
    file = host.directory / "users.jsonl"
    assert "alice: the privilege waits" in host.run("export", "-o", str(file))
    other.run("import", str(file))
    assert "alice 0 300 50" in other.run("list")
    registered(host, 7)
    other.run("import", str(exported(host)), "--replace")
    assert "alice 0 no limit no limit privileged" in other.run("list")
    assert "waits" not in other.run("list")


def test_a_privilege_without_a_number_is_not_taken(host: Host, other: Host) -> None:
    host.add("alice")
    row = json.loads(exported(host).read_text())
    row["privilege"] = {
        "identifier": "a" * 24,
        "accepted_on": "2026-03-01",
        "agreement_version": "2026-1",
        "number": None,
    }
    file = other.directory / "list.jsonl"
    file.write_text(json.dumps(row) + "\n")
    assert "waits for the registrar" in other.run("import", str(file), code=1)


def test_what_a_table_leaves_empty_stays(host: Host) -> None:
    host.add("alice")
    host.run("limit", "alice", "--per-day", "1000")
    host.run("administrator", "alice", "on")
    host.run("privilege", "alice", "--accepted", "2026-03-01")
    file = host.directory / "users.csv"
    file.write_text(f'name,password,per_day,per_message\nalice,"{{ARGON2ID}}{CHEAP}",,7\n')
    host.run("import", str(file), "--replace")
    assert "alice 0 1000 7 privileged (waits for the registrar), administrator" in host.run("list")
    assert host.check("alice", "secret")
    passwd = host.directory / "users.passwd"
    passwd.write_text(f"alice:{{PLAIN}}{NEW}:1000:1000\n")
    host.run("import", str(passwd), "--replace")
    assert "alice 0 1000 7 privileged" in host.run("list")
    assert host.check("alice", NEW)


def test_a_list_replaces_all_or_none(host: Host) -> None:
    host.add("alice")
    file = host.directory / "users.csv"
    file.write_text(f'name,password,per_day\nalice,"{{ARGON2ID}}{CHEAP}",7\nbob,,\n')
    assert "line 3" in host.run("import", str(file), "--replace", code=1)
    assert host.check("alice", GOOD)
    assert "not both" in host.run("import", str(file), "--replace", "--skip-existing", code=2)


def test_in_a_farm_it_is_said_that_other_hosts_have_not_heard_of_a_change(host: Host) -> None:
    host.add("alice")
    # Nothing of these commands asks the shared store.
    host.configure('[storage]\nurl = "redis://127.0.0.1:1/0"')
    for command in (
        ("password", "alice", "--generate"),
        ("disable", "alice"),
        ("enable", "alice"),
        ("stamp", "alice", "on"),
        ("administrator", "alice", "on"),
        ("add", "bob", "--generate"),
    ):
        assert "import --replace" in host.run(*command)
    host.configure("")
    assert "farm" not in host.run("disable", "alice")
