"""countersign users with a real registrar: privileges, and questions about offenders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import at_terminal
from tests.cli.test_users import GOOD, Host
from tests.gateway.users.conftest import (  # noqa: F401 - fixtures
    clock,
    database,
    database_url,
    migrated_sqlite,
    office,
    registrar,
)
from tests.gateway.users.registrar import HOSTNAME, OFFENDER, PASSPORT, Registrar

MAX = ("--person", OFFENDER[0], "--born", OFFENDER[1])
SOMEONE = ("--person", "Zoë Müller-Lüdenscheidt", "--born", "1990-01-01")
PASSWORD = f"{GOOD}\n"


@pytest.fixture
def host(tmp_path: Path, registrar: Registrar) -> Host:  # noqa: F811
    (tmp_path / "host").mkdir()
    made = Host(tmp_path / "host")
    made.configure(
        f'[registrar]\nurl = "{registrar.url}"\ntoken_file = "{registrar.token_file}"\ntimeout = 10'
    )
    made.file.write_text(made.file.read_text().replace("mail.example.org", HOSTNAME))
    return made


def personal(host: Host) -> bool:
    """Tell whether particulars are anywhere in the state directory."""
    words = (b"denscheidt", b"Spammer", b"1980-01-31", b"N1234567")
    files = [one for one in host.store.rglob("*") if one.is_file()]
    return any(word in one.read_bytes() for one in files for word in words)


class TestPrivileges:
    def test_are_registered_by_a_random_number_and_revoked(
        self,
        host: Host,
        registrar: Registrar,  # noqa: F811
    ) -> None:
        registrar.start()
        host.add("alice")
        said = host.run("privilege", "alice", "--accepted", "2026-03-01")
        [user] = registrar.users()
        assert f"Registered with the number {user.id}" in said
        assert "alice" not in user.identifier
        assert f"registered with the number {user.id}" in host.run("show", "alice")
        host.run("revoke", "alice")
        assert registrar.users() == []
        host.run("privilege", "alice", "--accepted", "2026-03-02")
        assert [one.identifier for one in registrar.users()] != [user.identifier]
        host.run("remove", "alice", "--yes")
        assert registrar.users() == []

    def test_that_a_list_ends_are_revoked_by_the_host_that_granted_them(
        self,
        host: Host,
        registrar: Registrar,  # noqa: F811
        tmp_path: Path,
    ) -> None:
        registrar.start()
        (tmp_path / "other").mkdir()
        other = Host(tmp_path / "other")
        host.add("alice")
        host.run("privilege", "alice", "--accepted", "2026-03-01")
        [user] = registrar.users()
        granted, ended = tmp_path / "granted.jsonl", tmp_path / "ended.jsonl"
        host.run("export", "-o", str(granted))
        other.run("import", str(granted))
        assert f"registered with the number {user.id}" in other.run("show", "alice")
        other.run("revoke", "alice")
        other.run("export", "-o", str(ended))
        host.run("import", str(ended), "--replace")
        assert registrar.users() == []
        assert "alice 0 300 50" in host.run("list")

    def test_wait_for_a_registrar_that_is_away(
        self,
        host: Host,
        registrar: Registrar,  # noqa: F811
    ) -> None:
        host.add("alice")
        said = host.run("privilege", "alice", "--accepted", "2026-03-01")
        assert "waits: the registrar cannot be asked" in said
        assert "waits for the registrar: the registrar cannot be asked" in host.run("show", "alice")
        assert "no limit" in host.run("list")
        assert registrar.users() == []

    def test_that_are_refused_end_and_the_registrars_words_are_shown(
        self,
        host: Host,
        registrar: Registrar,  # noqa: F811
    ) -> None:
        registrar.start()
        host.add("alice")
        said = host.run("privilege", "alice", "--accepted", "1999-12-31", code=1)
        assert "Check the date on which the user accepted the agreement" in said
        assert "alice 0 300 50" in host.run("list")
        assert "refused registrar" in host.run("show", "alice")


class TestOffenders:
    def test_nothing_is_known_of_most_people(self, host: Host, registrar: Registrar) -> None:  # noqa: F811
        registrar.start()
        said = host.run("add", "zoe", "--password-stdin", *SOMEONE, stdin=PASSWORD)
        assert "no such offender" in said and "zoe is added" in said
        assert "offender answered" in host.run("show", "zoe")
        assert not personal(host)

    @pytest.mark.parametrize("about", [MAX, ("--number", PASSPORT)])
    def test_are_not_added_unless_somebody_says_why(
        self,
        host: Host,
        registrar: Registrar,  # noqa: F811
        about: tuple[str, ...],
    ) -> None:
        registrar.start()
        registrar.record_offender()
        said = host.run("add", "max", "--password-stdin", *about, stdin=PASSWORD, code=1)
        assert "known offender: barred" in said and "2025-11" in said
        assert "no users" in host.run("list")
        accept = ("--accept-offender", "Has paid")
        host.run("add", "max", "--password-stdin", *about, *accept, stdin=PASSWORD)
        shown = host.run("show", "max")
        assert "offender accepted" in shown and "Has paid; level barred, month 2025-11" in shown
        assert "offender rejected" in shown
        assert not personal(host)

    def test_at_a_terminal_the_owner_is_asked(
        self,
        host: Host,
        registrar: Registrar,  # noqa: F811
    ) -> None:
        registrar.start()
        registrar.record_offender()
        command = ["users", "add", "max", "--generate", *MAX, "-c", str(host.file)]
        code, said = at_terminal(command, ("all the same?", "n"))
        assert code == 1 and "nobody is added" in said
        code, said = at_terminal(command, ("all the same?", "y"), ("Why", "Has paid"))
        assert code == 0, said
        assert "Has paid" in host.run("show", "max")

    def test_a_registrar_that_is_away_is_asked_later(
        self,
        host: Host,
        registrar: Registrar,  # noqa: F811
    ) -> None:
        add = ("add", "max", "--password-stdin", *MAX)
        assert "--ask-later" in host.run(*add, stdin=PASSWORD, code=1)
        assert "no users" in host.run("list")
        said = host.run(*add, "--ask-later", stdin=PASSWORD)
        assert "waits for the registrar" in said and "max is added" in said
        assert personal(host)
        registrar.start()
        registrar.record_offender()
        # Whatever tells the registrar something delivers what waits.
        host.add("alice")
        host.run("privilege", "alice", "--accepted", "2026-03-01")
        assert "level barred, month 2025-11" in host.run("show", "max")
        assert not personal(host)

    def test_questions_that_are_not_enough_are_not_asked(self, host: Host) -> None:
        for about in (
            ("--person", "Max"),
            ("--born", "1980-01-31"),
            ("--person", "Max", "--born", "31 January"),
            ("--person", "Max", "--born", "1066-01-01"),
            ("--number", "fax:AU:1"),
            ("--number", "passport:Australia:N1234567"),
            ("--number", "passport:AU:"),
        ):
            said = host.run("add", "max", "--generate", *about, code=2)
            assert "N1234567" not in said

    def test_without_a_link_it_is_said_what_is_missing(self, host: Host) -> None:
        host.configure("")
        assert "registrar.url" in host.run("add", "max", "--generate", *MAX, code=2)
