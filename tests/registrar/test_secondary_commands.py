"""countersign registrar secondaries, as an operator uses it."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest

from countersign.registrar.operations.office import Office
from countersign.registrar.operations.secondary_keys import keys_now
from countersign.registry.transfer.keys import TsigKey, key_file, parse_key
from tests.registrar.commands import Commands
from tests.registrar.conftest import Clock
from tests.registrar.replication import note_state, publish

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Secondaries(Commands):
    """The commands, and the keys that are in force."""

    def keys(self) -> dict[str, TsigKey]:
        with self.office.reading() as work:
            return {name: issued.key for name, issued in keys_now(work).items()}


@pytest.fixture
def secondaries(office: Office, clock: Clock, tmp_path: Path) -> Secondaries:
    """The commands; they go by the real clock, and so does the office."""
    clock.now = datetime.datetime.now(datetime.UTC)
    return Secondaries(office, tmp_path, "secondaries")


def test_adding_prints_the_key_in_one_line(secondaries: Secondaries) -> None:
    result = secondaries("add", "lima", "--kind", "replica", "--algorithm", "hmac-sha512")
    assert result.stdout.count("\n") == 1
    key = parse_key(result.stdout)
    assert secondaries.keys() == {key.name: key}
    assert key.encoded not in result.stderr


def test_the_key_goes_to_a_file_that_nobody_else_reads(
    secondaries: Secondaries, tmp_path: Path
) -> None:
    file = tmp_path / "lima.key"
    result = secondaries("add", "lima", "--notify", "192.0.2.7:53", "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = key_file(file)
    assert secondaries.keys() == {key.name: key}
    assert key.encoded not in result.output + result.stderr


def test_a_file_that_is_there_is_left_and_no_key_is_issued(
    secondaries: Secondaries, tmp_path: Path
) -> None:
    file = tmp_path / "lima.key"
    file.write_text("something else")
    result = secondaries("add", "lima", "--output", str(file), code=1)
    assert "is there already" in result.stderr
    assert file.read_text() == "something else"
    assert secondaries.keys() == {}
    assert secondaries.records() == []


def test_what_is_refused_leaves_no_file(secondaries: Secondaries, tmp_path: Path) -> None:
    file = tmp_path / "lima.key"
    result = secondaries("add", "Lima!", "--output", str(file), code=1)
    assert "lower-case letters" in result.stderr
    assert not file.exists()
    assert "no kind 'what'" in secondaries("add", "lima", "--kind", "what", code=2).stderr


def test_the_key_is_printed_again_and_that_is_recorded(
    secondaries: Secondaries, tmp_path: Path
) -> None:
    first = secondaries("add", "lima").stdout
    assert secondaries("key", "lima").stdout == first
    file = tmp_path / "lima.key"
    secondaries("key", "lima", "--output", str(file))
    assert file.read_text() == first
    assert secondaries.records()[-2:] == ["secondary key revealed"] * 2


def test_rotating_makes_a_new_key_and_says_how_long_the_old_one_goes_on(
    secondaries: Secondaries,
) -> None:
    first = parse_key(secondaries("add", "lima").stdout)
    result = secondaries("rotate", "lima")
    second = parse_key(result.stdout)
    assert secondaries.keys() == {first.name: first, second.name: second}
    assert "168 hours" in result.stderr
    assert parse_key(secondaries("key", "lima").stdout) == second
    shown = secondaries("show", "lima").stdout
    assert first.name in shown
    assert "good until" in shown
    assert first.encoded not in shown


def test_a_key_is_revoked_by_its_name(secondaries: Secondaries) -> None:
    first = parse_key(secondaries("add", "lima").stdout)
    other = parse_key(secondaries("add", "perth").stdout)
    result = secondaries("revoke", "lima", other.name, code=1)
    assert "no key of that name" in result.stderr
    secondaries("revoke", "lima", f"{first.name}.")
    assert secondaries.keys() == {other.name: other}
    assert "revoked" in secondaries("show", "lima").stdout
    assert "no key that is good" in secondaries("key", "lima", code=1).stderr


def test_a_removed_one_is_gone(secondaries: Secondaries) -> None:
    secondaries("add", "lima", "--contact", "noc@muller.com.au")
    assert "noc@muller.com.au" in secondaries("show", "lima").stdout
    secondaries("remove", "lima")
    assert secondaries.keys() == {}
    for command in ("show", "key", "rotate", "remove"):
        assert "no such secondary" in secondaries(command, "lima", code=1).stderr
    assert "Nobody has a copy" in secondaries("list").stdout


def test_the_list_says_how_far_each_is(secondaries: Secondaries, office: Office) -> None:
    for name in ("lima", "perth", "quito"):
        secondaries("add", name, "--place", "[red]somewhere")
    publish(office, 8, ago=500)
    publish(office, 9, ago=400, records=1234)
    with office.reading() as work:
        now = work.now
    note_state(office, 1, serial=9, asked_at=now, address="192.0.2.7")
    note_state(office, 2, serial=8, error="[bold]no answer")
    text = secondaries("list").stdout
    assert "registry.example: serial 9, 1,234 records, 6 min old" in text
    lima, perth, quito = (
        next(line for line in text.splitlines() if name in line)
        for name in ("lima", "perth", "quito")
    )
    assert "up to date" in lima
    assert "192.0.2.7" in lima
    assert "[red]somewhere" in lima
    assert "behind" in perth
    assert "1 version, 6 min" in perth
    assert "[bold]no answer" in perth
    assert "never seen" in quito


def test_the_help_teaches(secondaries: Secondaries) -> None:
    text = " ".join(secondaries("--help").stdout.split())
    assert "countersign setup knot" in text
    for command in ("add", "list", "show", "rotate", "revoke", "remove", "key"):
        assert "Example: countersign registrar secondaries" in secondaries(command, "--help").stdout


def test_what_is_known_is_changed_and_what_is_not_named_stays(secondaries: Secondaries) -> None:
    secondaries("add", "lima", "--place", "Lima", "--notify", "192.0.2.7:53")
    secondaries("change", "lima", "--kind", "signer", "--ask", "192.0.2.7:53")
    shown = secondaries("show", "lima").output
    for word in ("signer", "Lima", "192.0.2.7:53"):
        assert word in shown
    secondaries("change", "lima", "--place", "", "--notify", "")
    assert "Lima" not in secondaries("show", "lima").output
    assert "secondary changed" in secondaries.records()
    assert "no kind" in secondaries("change", "lima", "--kind", "other", code=2).stderr
    secondaries("change", "nobody", "--place", "x", code=1)
