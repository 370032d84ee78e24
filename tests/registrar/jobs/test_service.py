"""The registrar as an operator runs it: processes of the real command."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import OpeningError, open_office
from countersign.registrar.operations.accounts import ask_reset
from countersign.registrar.operations.office import Office
from countersign.storage.database.publication import Fact
from tests.registrar.jobs.doing import letters
from tests.registrar.operations import life

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
runner = CliRunner()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def config_file(tmp_path: Path, database_url: str, port: int) -> Path:
    file = tmp_path / "registrar.toml"
    file.write_text(
        f'url = "http://localhost:{port}"\nlisten = "127.0.0.1:{port}"\n'
        f'state_directory = "{tmp_path}/state"\ndatabase = "{database_url}"\n'
        'reserved_names = true\nprimary.listen = ["127.0.0.1:0"]\n'
        'certification.mailbox.listen = ["127.0.0.1:0"]\n'
    )
    return file


class Command:
    """A running `countersign registrar …`."""

    def __init__(self, file: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "countersign", "registrar", "--config", str(file)]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.log = b""

    def wait_for(self, words: str, seconds: float = 90) -> None:
        """Wait until the log says something."""
        assert self.process.stderr is not None
        descriptor = self.process.stderr.fileno()
        deadline = time.monotonic() + seconds
        while words.encode() not in self.log:
            readable, _, _ = select.select([descriptor], [], [], deadline - time.monotonic())
            more = os.read(descriptor, 65536) if readable else b""
            assert more, self.log.decode()
            self.log += more

    def stop(self) -> int:
        """Stop it as an init system does; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=40)
        self.log += err
        self.output = out.decode()
        return self.process.returncode


@contextlib.contextmanager
def running(file: Path, *arguments: str) -> Iterator[Command]:
    command = Command(file, *arguments)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
        command.process.communicate()


def run(file: Path, *arguments: str) -> tuple[int, str]:
    result = runner.invoke(
        app, ["registrar", "--config", str(file), *arguments], terminal_width=200
    )
    return result.exit_code, result.output + result.stderr


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Office]:
    from countersign.settings.file import load_config

    office = open_office(load_config(file, RegistrarConfig))
    yield office
    office.database.close()


def test_the_service_answers_works_and_stops_well(config_file: Path, port: int) -> None:
    with running(config_file) as service:
        service.wait_for("registrar serves")
        answer = httpx.get(f"http://localhost:{port}/health", timeout=10)
        assert answer.status_code == 200
        assert httpx.get(f"http://localhost:{port}/", timeout=10).status_code == 200
        assert "server" not in answer.headers
        httpx.get(f"http://localhost:{port}/reset-password/secret1?q=secret2", timeout=10)
        with opened(config_file) as office:
            life.make_account(office, "zoe@muller.com.au")
            with office.work() as work:
                ask_reset(work, "zoe@muller.com.au")
            deadline = time.monotonic() + 10
            new = Path(office.config.state_directory or "") / "mail" / "new"
            while not (new.is_dir() and list(new.iterdir())):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            (letter,) = letters(office)
            assert letter["To"] == "zoe@muller.com.au"
        assert service.stop() == 0
    assert f"The registrar is at http://localhost:{port}" in service.output
    log = service.log.decode()
    assert "registrar has stopped" in log
    assert "nobody is on the staff yet" in log
    assert "zoe" not in log
    assert "secret" not in log
    for line in log.splitlines():
        json.loads(line)


@ON_SQLITE
def test_the_service_keeps_what_it_makes_to_itself(config_file: Path) -> None:
    config = config_file.read_text()
    config_file.write_text(re.sub(r"database = .*\n", "", config))
    before = os.umask(0)
    try:
        with opened(config_file) as office:
            directory = Path(office.config.state_directory or "")
            with office.work() as work:
                assert work.session.get_one(Fact, "s-day").value["date"]
            assert directory.stat().st_mode & 0o777 == 0o700
            names = {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()}
    finally:
        os.umask(before)
    assert {"registrar.sqlite", "keyring.json"} <= names.keys()
    assert set(names.values()) == {0o600}


def test_the_first_start_is_remembered(config_file: Path) -> None:
    days = []
    for _ in range(2):
        with opened(config_file) as office, office.reading() as work:
            days.append((office.config.s_day, work.session.get_one(Fact, "started").value))
    assert days[0] == days[1]
    assert days[0][0] is not None


def test_a_lost_keyring_is_not_replaced_where_something_is_sealed(
    config_file: Path, tmp_path: Path
) -> None:
    with opened(config_file) as office:
        life.make_draft(office)
    (tmp_path / "state" / "keyring.json").unlink()
    with pytest.raises(OpeningError, match=r"keyring\.json"), opened(config_file):
        pass
    assert not (tmp_path / "state" / "keyring.json").exists()


def test_a_worker_process_does_what_the_service_orders(config_file: Path) -> None:
    with running(config_file, "worker", "--threads", "2") as worker:
        worker.wait_for("worker is at work")
        with opened(config_file) as office:
            life.make_account(office, "zoe@muller.com.au")
            with office.work() as work:
                ask_reset(work, "zoe@muller.com.au")
            new = Path(office.config.state_directory or "") / "mail" / "new"
            deadline = time.monotonic() + 10
            while not (new.is_dir() and list(new.iterdir())):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert worker.stop() == 0
    assert b"worker has stopped" in worker.log


@ON_SQLITE
def test_metrics_tell_of_jobs(config_file: Path) -> None:
    metrics = free_port()
    text = config_file.read_text()
    config_file.write_text(f'{text}\n[metrics]\nlisten = "127.0.0.1:{metrics}"\n')
    with running(config_file) as service:
        service.wait_for("registrar serves")
        body = httpx.get(f"http://127.0.0.1:{metrics}/metrics", timeout=10).text
        assert 'countersign_registrar_jobs{state="failed"} 0.0' in body
        assert service.stop() == 0


@ON_SQLITE
def test_a_port_that_is_taken_is_said(config_file: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        status, output = run(config_file)
    assert status == 1
    assert f"listen 127.0.0.1:{port}: Address already in use" in output


@ON_SQLITE
def test_staff_is_added_with_a_link_and_listed(config_file: Path, port: int) -> None:
    status, output = run(config_file, "staff", "list")
    assert "Nobody is on the staff" in output
    status, output = run(
        config_file, "staff", "add", "ada@example.org", "--name", "Ada L.", "--role", "screener"
    )
    assert status == 0, output
    link = re.search(rf"http://localhost:{port}/invitation/[\w-]{{43}}\s", output)
    assert link is not None
    _, output = run(config_file, "staff", "list")
    assert "ada@example.org" in output
    assert "screener" in output
    assert "invited" in output
    status, output = run(config_file, "staff", "add", "x@y.org", "--name", "X", "--role", "king")
    assert status == 2
    assert "no role king" in output


@ON_SQLITE
def test_keys_are_rotated_rewrapped_and_retired(config_file: Path) -> None:
    with opened(config_file) as office:
        life.make_draft(office)
        old = office.keyring.current_key_id
    status, output = run(config_file, "keys", "rotate")
    assert status == 0
    new = output.split("key is ")[1][:16]
    status, output = run(config_file, "keys", "retire", old)
    assert (status, "in use" in output) == (1, True)
    status, output = run(config_file, "keys", "rewrap")
    assert status == 0
    assert re.search(r"[1-9]\d* are under the present key", output)
    assert run(config_file, "keys", "retire", old)[0] == 0
    _, output = run(config_file, "keys", "list")
    assert new in output
    assert old not in output


@ON_SQLITE
def test_jobs_are_listed_and_ordered_again(config_file: Path) -> None:
    with opened(config_file) as office, office.work() as work:
        work.order("mail", {"template": "none", "account": 1})
    status, output = run(config_file, "jobs")
    assert status == 0
    assert "due: 1" in output
    assert "mail" in output
    assert run(config_file, "jobs", "retry", "1")[0] == 0
    status, output = run(config_file, "jobs", "retry", "77")
    assert status == 1
    assert "no such job" in output


@ON_SQLITE
def test_check_says_what_will_not_work(config_file: Path, tmp_path: Path) -> None:
    status, output = run(config_file, "check")
    assert status == 0, output
    text = config_file.read_text().replace("http://localhost", "http://registrar.example")
    config_file.write_text(
        f'{text}\n[mail]\nkind = "smtp"\nserver = "127.0.0.1:{free_port()}"\n'
        '[publication]\ncontact = "nobody"\nnameservers = ["ns1.registry.example"]\n'
    )
    status, output = run(config_file, "check")
    assert status == 1
    for words in (
        "url: without https",
        "publication: ",
        "ns1.registry.example is inside the zone",
        "mail.server",
    ):
        assert words in output
    config_file.write_text("job = 3\n")
    status, output = run(config_file, "check")
    assert status == 2
    assert "line 1: job: no such setting: is jobs meant?" in output


def test_migrate_says_the_revision(config_file: Path) -> None:
    status, output = run(config_file, "migrate")
    assert status == 0
    assert re.search(r"revision \d{4}", output)


def test_help_teaches_by_examples() -> None:
    for command in ([], ["worker"], ["check"], ["staff", "add"], ["keys", "rotate"], ["jobs"]):
        result = runner.invoke(app, ["registrar", *command, "--help"])
        assert result.exit_code == 0
        assert "countersign registrar" in result.output
