"""Letters handed to a real MTA: Postfix's own sink."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from sqlalchemy import select

from countersign.registrar.config import Mail
from countersign.registrar.jobs.queue import Task
from countersign.registrar.mail.posting import post
from countersign.registrar.operations.accounts import ask_reset
from countersign.registrar.operations.office import Office
from countersign.storage.database.jobs import Job, JobState
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life

SINK = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
pytestmark = [pytest.mark.peer, ON_SQLITE]


@pytest.fixture(autouse=True)
def _sink_is_there() -> None:
    if Path(SINK).exists():
        return
    reason = "smtp-sink is not installed (.ci/install-packages)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def sink(directory: Path, *options: str) -> Iterator[str]:
    """Run a sink that writes each message to a file; gives its address."""
    directory.mkdir()
    # The sink gives its rights up when root starts it.
    who = () if os.geteuid() else ("-u", "root")
    port = free_port()
    process = subprocess.Popen(
        [SINK, *who, "-d", f"{directory}/%M.", *options, f"127.0.0.1:{port}", "10"],
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def taken(directory: Path) -> list[Message]:
    """Return the messages that a sink has taken."""
    return [
        message_from_bytes(file.read_bytes())
        for file in sorted(directory.iterdir())
        if b"\nMessage-ID:" in file.read_bytes()
    ]


def by_smtp(office: Office, server: str) -> Office:
    mail = Mail(kind="smtp", server=server, sender="registrar@muller.com.au")
    return replace(office, config=office.config.model_copy(update={"mail": mail}))


def order_letter(office: Office) -> None:
    life.make_account(office, "zoe@muller.com.au")
    with office.work() as work:
        ask_reset(work, "zoe@muller.com.au")


def job(office: Office) -> Job:
    with office.reading() as work:
        return work.session.scalars(select(Job)).one()


def test_a_letter_is_handed_to_the_mta(office: Office, tmp_path: Path) -> None:
    with sink(tmp_path / "sink") as server:
        order_letter(office)
        assert do_jobs(by_smtp(office, server)) == [("mail", "done")]
    (message,) = taken(tmp_path / "sink")
    assert message["X-Rcpt-Args"] == "<zoe@muller.com.au>"
    assert str(message["X-Mail-Args"]).startswith("<registrar@muller.com.au>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "Choose a new password"


def test_a_repeated_letter_is_the_same_message(office: Office, tmp_path: Path) -> None:
    order_letter(office)
    row = job(office)
    task = Task(row.id, row.kind, row.payload, row.created_at, "a", 1)
    with sink(tmp_path / "sink") as server:
        for _ in range(2):
            # As after a crash between the MTA's answer and the transaction that stores it.
            post(by_smtp(office, server), task)
    first, second = taken(tmp_path / "sink")
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_payload() == second.get_payload()


@pytest.mark.parametrize("command", ["CONNECT", "MAIL", "RCPT", "DATA", "."])
def test_what_is_refused_for_now_is_tried_again(
    office: Office, tmp_path: Path, command: str
) -> None:
    with sink(tmp_path / "sink", "-r", command) as server:
        order_letter(office)
        assert do_jobs(by_smtp(office, server)) == [("mail", "later")]
    assert "450" in job(office).error
    assert "zoe" not in job(office).error


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
def test_what_is_refused_for_good_is_given_up(office: Office, tmp_path: Path, command: str) -> None:
    with sink(tmp_path / "sink", "-f", command) as server:
        order_letter(office)
        assert do_jobs(by_smtp(office, server)) == [("mail", "failed")]
    row = job(office)
    assert row.state is JobState.FAILED
    assert "500" in row.error
    assert "zoe" not in row.error


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_connection_that_breaks_is_tried_again(
    office: Office, tmp_path: Path, command: str
) -> None:
    with sink(tmp_path / "sink", "-q", command) as server:
        order_letter(office)
        assert do_jobs(by_smtp(office, server)) == [("mail", "later")]
    assert job(office).state is JobState.WAITING


def test_a_server_that_is_away_is_tried_again(office: Office) -> None:
    order_letter(office)
    assert do_jobs(by_smtp(office, f"127.0.0.1:{free_port()}")) == [("mail", "later")]
    assert job(office).error == "no dialogue with the mail server: ConnectionRefusedError"
