"""countersign admin trace, journal, locks and failures, as an operator uses them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.mail.stamp import Stamp, new_id, stamp_field
from countersign.storage.submission.entries import Entry, Front
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.local import LocalSubmissionTables
from countersign.storage.submission.tables import Lock, LockReason, SignInFailure
from tests.cli.test_commands import configured

runner = CliRunner()
DAY = 86400.0
NOW = float(int(time.time()))
IDS = [new_id(bytes([number]) * 16) for number in range(6)]


def run(*arguments: str, given: bytes = b"") -> tuple[int, str]:
    result = runner.invoke(app, ["admin", *arguments], input=given, env={"COLUMNS": "200"})
    return result.exit_code, result.output + result.stderr


def field(tracking_id: str, at: float = NOW, host: str = "mail.example.org") -> bytes:
    return stamp_field(Stamp(host, tracking_id, datetime.fromtimestamp(at, UTC)))


@pytest.fixture
def config(tmp_path: Path) -> str:
    return configured(tmp_path)


@pytest.fixture
def directory(tmp_path: Path, config: str) -> Path:
    """Of a gateway through which IDS[0:4] went, one a day; the second was refused by the MTA."""
    made = tmp_path / "state" / "submission"

    async def fill() -> None:
        journal = Journal(made)
        for number, one in enumerate(IDS[:4]):
            at = NOW - (3 - number) * DAY
            await journal.append(
                Entry(one, at, f"user{number}", 7, "2001:db8::1", 4711, bytes(32), Front.MILTER)
            )
        await journal.refused(IDS[1], NOW)
        await journal.aclose()

    asyncio.run(fill())
    return made


def sweep(directory: Path, before: float) -> None:
    async def work() -> None:
        journal = Journal(directory)
        await journal.sweep(before)
        await journal.aclose()

    asyncio.run(work())


def test_a_message_is_traced_to_its_user_by_its_id(config: str, directory: Path) -> None:
    assert directory.is_dir()
    code, text = run("trace", IDS[0].upper(), IDS[1], "-c", config)
    assert code == 0
    first, second = text.split("\n\n")
    assert all(
        word in first
        for word in (IDS[0], "user0", " 7\n", "2001:db8::1", "4,711", "milter", "passed on")
    )
    assert "2001:db8::1" in second
    assert "refused by the MTA" in second


def test_a_trace_is_printed_as_json(config: str, directory: Path) -> None:
    assert directory.is_dir()
    code, text = run("trace", IDS[1], "--json", "-c", config)
    assert code == 0
    (found,) = json.loads(text)
    assert found == {
        "id": IDS[1],
        "found": True,
        "time": datetime.fromtimestamp(NOW - 2 * DAY, UTC).isoformat(),
        "user": "user1",
        "recipients": 7,
        "client_address": "2001:db8::1",
        "size": 4711,
        "body_sha256": "00" * 32,
        "front": "milter",
        "refused": datetime.fromtimestamp(NOW, UTC).isoformat(),
    }


def test_stamps_files_and_standard_input_are_taken(
    config: str, directory: Path, tmp_path: Path
) -> None:
    assert directory.is_dir()
    report = tmp_path / "report.eml"
    report.write_bytes(b"Subject: spam\r\n\r\n> " + field(IDS[1]).replace(b"\r\n\t", b"\r\n> \t"))
    whole, value = field(IDS[0]).decode(), field(IDS[2]).decode().partition(":")[2]
    code, text = run("trace", whole, value, str(report), "-", "-c", config, given=field(IDS[3]))
    assert code == 0, text
    assert all(f"user{number}" in text for number in range(4))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("nothing-such", "neither an ID"),
        ("Message-Tracking: v=2; host=x", "no tracking stamp"),
        ("-", "no Message-Tracking field"),
        (".", "directory"),
    ],
)
def test_what_cannot_be_looked_for_is_said(
    config: str, directory: Path, argument: str, words: str
) -> None:
    assert directory.is_dir()
    code, text = run("trace", argument, "-c", config)
    assert code == 2
    assert words in text


def test_it_is_said_why_an_id_is_not_found(config: str, directory: Path) -> None:
    code, text = run("trace", IDS[5], IDS[0], "-c", config)
    assert code == 1
    assert f"{IDS[5]}: not found: this host has passed no such message on" in text
    assert "user0" in text
    sweep(directory, NOW - 1.5 * DAY)
    assert "it may be older than what is kept" in run("trace", IDS[5], "-c", config)[1]
    old = field(IDS[0], NOW - 3 * DAY).decode()
    assert "it is older than what is kept" in run("trace", old, "-c", config)[1]
    new = field(IDS[5], NOW).decode()
    text = run("trace", new, "-c", config)[1]
    assert "older" not in text
    assert "passed no such message on" in text
    foreign = field(IDS[5], NOW, "mx.example.net").decode()
    assert "names another host, mx.example.net" in run("trace", foreign, "-c", config)[1]
    code, text = run("trace", IDS[5], "--json", "-c", config)
    assert code == 1
    assert json.loads(text)[0]["found"] is False


def test_a_host_without_a_journal_says_so_and_makes_none(config: str, tmp_path: Path) -> None:
    code, text = run("trace", IDS[0], "-c", config)
    assert code == 1
    assert "there is no journal" in text
    assert not (tmp_path / "state").exists()


def test_a_journal_is_verified_with_the_head_that_was_kept(config: str, directory: Path) -> None:
    code, head = run("journal", "head", "-c", config)
    assert code == 0
    code, text = run("journal", "verify", "--head", head.strip(), "-c", config)
    assert code == 0, text
    assert "5 entries fit, from number 1 to 5" in text
    assert "nothing up to there was changed" in text
    assert "No head was given" in run("journal", "verify", "-c", config)[1]
    with closing(sqlite3.connect(directory / "journal.db")) as database, database:
        database.execute("UPDATE rows SET user = 'somebody' WHERE number = 3")
    code, text = run("journal", "verify", "-c", config)
    assert code == 1
    assert "NOT WHOLE: entry 3" in text
    with closing(sqlite3.connect(directory / "journal.db")) as database, database:
        database.execute("DELETE FROM rows WHERE number > 2")
    assert run("journal", "verify", "-c", config)[0] == 0
    code, text = run("journal", "verify", "--head", head.strip(), "-c", config)
    assert code == 1
    assert "is not in it" in text
    assert run("journal", "verify", "--head", "abc", "-c", config)[0] == 2


def test_a_damaged_journal_is_said_to_be_so(config: str, directory: Path) -> None:
    (directory / "journal.db").write_bytes(b"x" * 5000)
    code, text = run("journal", "head", "-c", config)
    assert code == 1
    assert "the file is damaged" in text


def test_locks_and_failures_are_shown_and_names_harm_no_terminal(
    config: str, tmp_path: Path
) -> None:
    assert "No account is locked" in run("locks", "-c", config)[1]
    assert "No sign-in has failed" in run("failures", "-c", config)[1]

    async def fill() -> None:
        tables = LocalSubmissionTables(tmp_path / "state" / "submission")
        await tables.reserve("ann", 301, 300, NOW)
        await tables.lock(Lock("bob", LockReason.ADMINISTRATOR, NOW, words="he left"))
        name = "\x1b[31m[bold]x\n"
        await tables.failed(SignInFailure(NOW, name, "192.0.2.1", "password"))
        await tables.aclose()

    asyncio.run(fill())
    code, text = run("locks", "-c", config)
    assert code == 0
    assert "301 more would pass the limit 300" in text
    assert "he left" in text
    assert json.loads(run("locks", "--json", "-c", config)[1])[0]["user"] in {"ann", "bob"}
    code, text = run("failures", "-c", config)
    assert "?[31m[bold]x?" in text
    assert "\x1b" not in text
    assert json.loads(run("failures", "--json", "-c", config)[1])[0]["network"] == "192.0.2.1"


def test_a_user_who_failed_too_often_is_pardoned_however_the_name_is_spelled(
    config: str, tmp_path: Path
) -> None:
    async def fill() -> None:
        tables = LocalSubmissionTables(tmp_path / "state" / "submission")
        for _ in range(2):
            await tables.failed(SignInFailure(NOW, "ann", "192.0.2.1", "password"))
        await tables.aclose()

    asyncio.run(fill())
    assert run("pardon", "ANN", "-c", config) == (0, "2 failed sign-ins of ANN count no more.\n")
    code, text = run("pardon", "ann", "-c", config)
    assert code == 1
    assert "see countersign admin failures" in text
    assert len(json.loads(run("failures", "--json", "-c", config)[1])) == 2
