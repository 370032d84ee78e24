"""countersign users, as an administrator types it; no registrar is needed."""

from __future__ import annotations

import asyncio
import hashlib
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.gateway.submission.passwords import verify
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import Counted, Lock
from tests.cli.terminal import at_terminal
from tests.registrar.documents.reading import text_of

runner = CliRunner()
GOOD = "correct horse battery staple"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("secret")


class Host:
    """A host with a configuration, on which commands are run."""

    def __init__(self, directory: Path, text: str = "") -> None:
        self.directory = directory
        self.file = directory / "gateway.toml"
        self.store = directory / "state" / "submission"
        self.configure(text)

    def configure(self, text: str) -> None:
        self.file.write_text(
            f'hostname = "mail.example.org"\nstate_directory = "{self.directory}/state"\n'
            f'{text}\n[registry]\nkind = "file"\npath = "/none"\n'
        )

    def run(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        """Run a command; return all that it says."""
        result = runner.invoke(app, ["users", *arguments, "-c", str(self.file)], input=stdin)
        said = result.output + result.stderr
        assert result.exit_code == code, (said, result.exception)
        return " ".join(said.split())

    def add(self, name: str) -> None:
        self.run("add", name, "--password-stdin", stdin=f"{GOOD}\n")

    def lock_by_limit(self, user: str) -> None:
        async def lock() -> None:
            tables = open_submission_tables("", self.store)
            assert isinstance(await tables.reserve(user, 290, 300, time.time()), Counted)
            assert isinstance(await tables.reserve(user, 20, 300, time.time()), Lock)
            await tables.aclose()

        asyncio.run(lock())

    def check(self, user: str, password: str) -> bool:
        async def check() -> bool:
            accounts = Accounts(self.store)
            credentials = await accounts.credentials(user)
            await accounts.aclose()
            return credentials is not None and verify(credentials.argon2_hash, password)

        return asyncio.run(check())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_user_is_added_listed_shown_and_removed(host: Host) -> None:
    assert "alice is added" in host.run("add", "Alice", "--password-stdin", stdin=f"{GOOD}\n")
    assert host.check("alice", GOOD)
    assert "already" in host.run("add", "ALICE", "--password-stdin", stdin=f"{GOOD}\n", code=1)
    assert "alice 0 300 50" in host.run("list")
    shown = host.run("show", "alice")
    assert "may send" in shown and "0 recipients of 300" in shown and "added" in shown
    host.run("remove", "alice", "--yes", "--reason", "has left")
    assert "There are no users" in host.run("list")
    assert "no user alice" in host.run("show", "alice", code=1)


def test_a_generated_password_is_printed_once_and_works(host: Host) -> None:
    password = host.run("add", "alice", "--generate").split()[-1]
    assert host.check("alice", password)
    other = host.run("password", "alice", "--generate").split()[-1]
    assert host.check("alice", other) and not host.check("alice", password)


def test_a_weak_password_is_taken_only_when_it_is_said(host: Host) -> None:
    said = host.run("add", "alice", "--password-stdin", stdin="alice12345\n", code=1)
    assert "--weak" in said and "alice12345" not in said
    host.run("add", "alice", "--password-stdin", "--weak", stdin="alice12345\n")
    assert host.check("alice", "alice12345")


def test_a_password_without_a_terminal_must_be_asked_for(host: Host) -> None:
    assert "--password-stdin" in host.run("add", "alice", code=2)
    host.run("add", "alice", "--password-stdin", stdin="", code=2)
    assert "no users" in host.run("list")


@pytest.mark.parametrize("name", ["", "two words", "tab\tname", "x" * 256, "\u202ename"])
def test_names_that_can_be_none_are_refused(host: Host, name: str) -> None:
    host.run("add", name, "--generate", code=2)


def test_limits_are_given_in_part_and_taken_back(host: Host) -> None:
    host.add("alice")
    host.run("limit", "alice", "--per-day", "1000")
    said = host.run("limit", "alice", "--per-message", "80")
    assert "80 per message, 1000 per day" in said
    assert "alice 0 1000 80" in host.run("list")
    host.run("limit", "alice", "--default")
    assert "alice 0 300 50" in host.run("list")
    host.run("limit", "alice", code=2)
    host.run("limit", "alice", "--default", "--per-day", "5", code=2)
    host.run("limit", "alice", "--per-day", "0", code=2)
    assert "no user bob" in host.run("limit", "bob", "--per-day", "5", code=1)


def test_an_account_is_locked_with_a_reason_and_unlocked(host: Host) -> None:
    host.add("alice")
    host.run("lock", "alice", "--reason", "Password found")
    assert "locked already" in host.run("lock", "alice", "--reason", "again", code=1)
    shown = host.run("show", "alice")
    assert "by the administrator: Password found" in shown
    assert "alice" in host.run("list", "--locked")
    host.run("unlock", "alice")
    assert "not locked" in host.run("unlock", "alice", code=1)
    assert "no such user" in host.run("list", "--locked")


@pytest.mark.parametrize("keep", [True, False])
def test_a_lock_by_the_limit_shows_its_figures_and_the_count_may_stay(
    host: Host, keep: bool
) -> None:
    host.add("alice")
    host.lock_by_limit("alice")
    assert "290 recipients in 24 hours, and 20 more would pass 300" in host.run("show", "alice")
    assert "locked: limit" in host.run("list")
    assert "users unlock alice" in host.run("limit", "alice", "--per-message", "50")
    host.run("unlock", "alice", *(["--keep-count"] if keep else []))
    assert f"alice {290 if keep else 0} 300 50" in host.run("list")


def test_the_lock_of_an_administrator_stays_with_the_name_of_a_user_who_is_removed(
    host: Host,
) -> None:
    host.add("alice")
    host.run("lock", "alice", "--reason", "Known offender")
    assert "The lock stays" in host.run("remove", "alice", "--yes")
    host.add("alice")
    assert "locked" in host.run("list", "alice")


def test_whoever_is_given_the_name_of_a_user_who_was_removed_begins_anew(host: Host) -> None:
    host.add("alice")
    host.lock_by_limit("alice")
    host.run("remove", "alice", "--yes")
    host.add("alice")
    assert "alice 0 300 50" in host.run("list") and "locked" not in host.run("list")


@pytest.mark.parametrize("settings", ['[sign_in]\nsource = "dovecot"', "[milter]\nenabled = true"])
def test_nothing_is_unlocked_by_a_removal_where_the_password_goes_on_working(
    host: Host, settings: str
) -> None:
    host.configure(settings)
    if "milter" in settings:
        host.add("alice")
    host.run("limit", "alice", "--per-day", "100")
    host.lock_by_limit("alice")
    assert "The lock stays" in host.run("remove", "alice", "--yes")
    host.configure('[sign_in]\nsource = "dovecot"')
    assert "alice 290 300 50 locked: limit" in host.run("list", "--locked")


def test_whom_the_mta_lets_in_needs_not_be_added(host: Host) -> None:
    host.configure("[milter]\nenabled = true")
    assert "may send" in host.run("show", "alice")
    host.run("limit", "alice", "--per-day", "100")
    host.run("lock", "bob", "--reason", "stolen")
    assert "bob 0 300 50 locked" in host.run("list")
    host.run("unlock", "bob")
    host.lock_by_limit("carol")
    assert "carol 290 300 50 locked: limit" in host.run("list")
    assert "the MTA" in host.run("remove", "dora", "--yes", code=1)


def test_whom_the_mta_lets_in_has_no_password_here_unless_he_is_added(host: Host) -> None:
    host.configure("[milter]\nenabled = true")
    assert "there is no user" in host.run("password", "alice", "--generate", code=1)
    assert "there is no user" in host.run("administrator", "alice", "on", code=1)


def test_a_name_that_the_milter_refuses_is_not_locked_as_if_that_stopped_anybody(
    host: Host,
) -> None:
    host.configure("[milter]\nenabled = true")
    assert "sign_in.domains" in host.run("lock", "a@b.example", "--reason", "x", code=1)


def test_a_removal_says_who_can_still_send(host: Host) -> None:
    host.configure('[sign_in]\nsource = "dovecot"')
    host.run("limit", "alice", "--per-day", "100")
    said = host.run("remove", "alice", "--yes")
    assert "as long as dovecot takes it" in said and "users lock alice" in said
    assert "users lock alice" in host.run("remove", "alice", "--yes", code=1)


def test_who_may_sign_in_and_who_may_see_the_administrators_page(host: Host) -> None:
    host.add("alice")
    host.run("disable", "alice")
    assert "alice may see the" in host.run("administrator", "alice", "on")
    assert "disabled, administrator" in host.run("list")
    host.run("enable", "alice")
    host.run("administrator", "alice", "off")
    assert "disabled" not in host.run("list")


def test_a_name_is_stamped_but_never_that_of_a_privileged_user(host: Host) -> None:
    host.add("alice")
    assert "the name is stamped" in host.run("stamp", "alice", "on")
    assert "name on the stamp yes" in host.run("show", "alice")
    host.run("privilege", "alice", "--accepted", "2026-03-01")
    assert "never that of a privileged user" in host.run("show", "alice")
    assert "never stamped" in host.run("stamp", "alice", "on")


def test_a_privilege_without_a_registrar_is_in_force_and_waits(host: Host) -> None:
    host.add("alice")
    paper = host.directory / "signed.pdf"
    paper.write_bytes(b"%PDF signed")
    accepted = ("--accepted", "2026-03-01", "--paper", str(paper))
    said = host.run("privilege", "alice", *accepted)
    assert "is privileged" in said and "no registrar is configured" in said
    assert "alice 0 no limit no limit privileged (waits for the registrar)" in host.run("list")
    assert hashlib.sha256(b"%PDF signed").hexdigest() in host.run("show", "alice").replace(" ", "")
    assert "already" in host.run("privilege", "alice", *accepted, code=1)
    host.run("revoke", "alice", "--reason", "over")
    assert "alice 0 300 50" in host.run("list")
    assert "not privileged" in host.run("revoke", "alice", code=1)


@pytest.mark.parametrize("day", ["tomorrow", "2999-01-01", "2026-02-30"])
def test_a_day_of_acceptance_that_cannot_be_is_refused(host: Host, day: str) -> None:
    host.add("alice")
    host.run("privilege", "alice", "--accepted", day, code=2)


def test_an_unknown_version_or_an_unreadable_paper_grants_nothing(host: Host) -> None:
    host.add("alice")
    accepted = ("privilege", "alice", "--accepted", "2026-03-01")
    assert "2026-1" in host.run(*accepted, "--version", "1999-1", code=2)
    host.run(*accepted, "--paper", "/no/such/file", code=2)
    assert "alice 0 300 50" in host.run("list")


OWNER = """
[administrator]
owner_name = "Müller Pty Ltd"
owner_address = "1 George Street, Sydney NSW 2000"
[registrar]
url = "https://registrar.example"
"""


def test_agreements_are_filled_in_with_the_parties_names(host: Host) -> None:
    host.add("alice")
    assert "owner_name" in host.run("agreement", "alice", "-o", "/tmp/never.pdf", code=2)
    host.configure(OWNER)
    plain, privileged = (host.directory / name for name in ("a.pdf", "b.pdf"))
    host.run("agreement", "alice", "-o", str(plain), "--person", "Alice Łącka")
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    text = text_of(plain.read_bytes())
    for words in ("Müller Pty Ltd", "1 George Street", "Alice Łącka", "mail.example.org"):
        assert words in text
    host.run("limit", "alice", "--per-day", "7777")
    host.run("agreement", "alice", "--privileged", "-o", str(privileged))
    text = text_of(privileged.read_bytes())
    for words in ("privileged user", "Müller Pty Ltd", "alice", "7777", "registrar.example"):
        assert words in text
    assert "already" in host.run("agreement", "alice", "-o", str(plain), code=2)


def test_a_signed_agreement_is_recorded(host: Host) -> None:
    host.add("alice")
    host.run("agreed", "alice", "--accepted", "2026-03-01")
    assert "agreement_version 2026-1" in host.run("show", "alice")


# -- users whose passwords are kept elsewhere ------------------------------------------------------


def test_users_of_dovecot_need_not_be_added_and_have_limits_all_the_same(host: Host) -> None:
    host.configure('[sign_in]\nsource = "dovecot"')
    assert "not needed" in host.run("add", "alice")
    assert "no users" in host.run("list")
    host.run("limit", "alice", "--per-day", "1000")
    assert "alice 0 1000 50" in host.run("list")
    host.run("lock", "bob", "--reason", "spam")
    assert "bob 0 300 50 locked" in host.run("list")
    assert "kept by dovecot" in host.run("password", "alice", "--generate", code=1)
    assert "decided by dovecot" in host.run("disable", "alice", code=1)
    host.run("privilege", "carl", "--accepted", "2026-03-01")
    assert "privileged" in host.run("show", "carl")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ('names = "local-part"', "counted as bob"),
        ("", "not one of this server's"),
        ('domains = ["other.example"]', "sign_in.domains"),
    ],
)
def test_a_name_under_which_nobody_is_counted_is_not_locked(
    host: Host, names: str, words: str
) -> None:
    host.configure(f'[sign_in]\nsource = "dovecot"\n{names}')
    for command in (("lock", "bob@one.example", "--reason", "spam"), ("limit", "bob@one.example")):
        more = ("--per-day", "5") if command[0] == "limit" else ()
        assert words in host.run(*command, *more, code=1)
    assert "no users" in host.run("list")
    host.configure('[sign_in]\nsource = "dovecot"\ndomains = ["one.example"]')
    host.run("lock", "bob@one.example", "--reason", "spam")


# -- lists -----------------------------------------------------------------------------------------


def test_a_list_is_imported_whole_or_not_at_all(host: Host) -> None:
    host.add("alice")
    file = host.directory / "users.csv"
    file.write_text(f'name,password,per_day\nbob,{GOOD},5\ncarl,"{{ARGON2ID}}{CHEAP}",\nalice,x,\n')
    said = host.run("import", str(file), code=1)
    assert "line 4" in said and "nobody is added" in said
    assert "bob" not in host.run("list")
    said = host.run("import", str(file), "--skip-existing", "--dry-run")
    assert "2 users can be added" in said
    assert "bob" not in host.run("list")
    assert "1 were there already" in host.run("import", str(file), "--skip-existing")
    assert "bob 0 5 50" in host.run("list")
    assert host.check("bob", GOOD) and host.check("carl", "secret") and host.check("alice", GOOD)


def test_weak_passwords_of_a_list_are_refused_unless_they_are_wanted(host: Host) -> None:
    file = host.directory / "users.csv"
    file.write_text(f'name,password\nbob,short\ncarl,{GOOD}\ndora,"{{ARGON2ID}}{CHEAP}"\n')
    said = host.run("import", str(file), code=1)
    assert "line 2" in said and "--weak" in said and "short" not in said
    assert "1 line cannot be taken" in said
    host.run("import", str(file), "--weak")
    assert host.check("bob", "short")


def test_a_passwd_file_of_dovecots_comes_from_standard_input(host: Host) -> None:
    text = f"alice:{{ARGON2ID}}{CHEAP}:1000:1000\n"
    host.run("import", "-", "--format", "passwd", stdin=text)
    assert host.check("alice", "secret")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"name,password\n" + b"x" * 100_000])
def test_a_list_that_is_none_is_refused_or_empty(host: Host, content: bytes) -> None:
    file = host.directory / "users.csv"
    file.write_bytes(content)
    host.run("import", str(file), code=1)


# -- processes and terminals -----------------------------------------------------------------------


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(host: Host) -> None:
    code, said = at_terminal(
        ["users", "add", "alice", "-c", str(host.file)],
        ("Password: ", GOOD),
        ("confirmation: ", GOOD),
    )
    assert code == 0, said
    assert GOOD not in said
    assert host.check("alice", GOOD)


def test_a_change_is_in_force_in_a_process_that_runs(host: Host) -> None:
    host.add("alice")

    async def watch() -> None:
        accounts = Accounts(host.store)
        assert (await accounts.facts("alice")).per_day is None
        await asyncio.to_thread(
            subprocess.run,
            [
                *(sys.executable, "-m", "countersign", "users", "limit", "alice"),
                *("--per-day", "9", "-c", str(host.file)),
            ],
            check=True,
            capture_output=True,
        )
        assert (await accounts.facts("alice")).per_day == 9
        await accounts.aclose()

    asyncio.run(watch())


def test_what_was_decided_names_who_decided(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "zoe")
    host.add("alice")
    host.run("lock", "alice", "--reason", "[red]markup[/red] \x1b[31m")
    shown = host.run("show", "alice")
    assert "zoe" in shown and "[red]markup[/red]" in shown and "\x1b[31m" not in shown


@pytest.mark.parametrize("command", ["add", "list", "limit", "privilege", "import", "unlock"])
def test_help_has_an_example(command: str) -> None:
    result = runner.invoke(app, ["users", command, "--help"])
    assert result.exit_code == 0
    assert f"countersign users {command}" in " ".join(result.output.split())


def test_a_damaged_file_is_said_so(host: Host) -> None:
    host.add("alice")
    for file in host.store.glob("users.db*"):
        file.write_bytes(b"no database" * 1000)
    assert "damaged" in host.run("list", code=1)
