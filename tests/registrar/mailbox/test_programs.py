"""The test mailbox as a process: alone, beside the service, and killed."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import open_office
from countersign.registrar.operations.office import Office
from countersign.settings.file import load_config
from tests.gateway.world import free_port
from tests.registrar.mailbox import making
from tests.registrar.primary.programs import gone, kill, program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
MARK = "abcdefghijklmnop"


class Setting:
    """A configuration file, the office that it is of, and an order that waits for mail."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.web, self.mailbox, self.metrics = free_port(), free_port(), free_port()
        self.file = directory / "registrar.toml"
        self.text = f"""\
url = "http://localhost:{self.web}"
listen = "127.0.0.1:{self.web}"
state_directory = "{directory}/state"
database = "{database_url}"
reserved_names = true
jobs = 0
primary.listen = []
metrics.listen = "127.0.0.1:{self.metrics}"

[certification]
foreign_domain = "tests.registrar.example"
mailbox.listen = ["127.0.0.1:{self.mailbox}"]
"""
        self.file.write_text(self.text)
        self.office: Office = open_office(load_config(self.file, RegistrarConfig))
        making.add_order(self.office, MARK)

    @property
    def run(self) -> tuple[str, ...]:
        return "registrar", "--config", str(self.file)

    def deliver(self, number: str, seconds: float = 30) -> None:
        """Deliver one message. Raises what smtplib does."""
        with smtplib.SMTP("127.0.0.1", self.mailbox, "relay.example", seconds) as client:
            client.starttls()
            recipient = f"r-{MARK}-{number}@tests.registrar.example"
            client.sendmail("", [recipient], b"Subject: x\r\n\r\nA test\r\n")

    def numbers(self) -> set[str]:
        return {one.number for one in making.arrivals(self.office)}

    def figure(self, name: str) -> float | None:
        """Return a figure of /metrics."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics}/metrics", timeout=10).text
        for line in text.splitlines():
            if line.startswith((name + " ", name + "{")):
                return float(line.rpartition(" ")[2])
        return None


@pytest.fixture
def setting(tmp_path: Path, database_url: str) -> Iterator[Setting]:
    made = Setting(tmp_path, database_url)
    yield made
    made.office.database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_service_starts_a_mailbox_replaces_it_and_ends_it(setting: Setting) -> None:
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        first = service.wait_for("mailbox runs beside the service")
        assert first["listen"] == [f"127.0.0.1:{setting.mailbox}"]
        setting.deliver("a" * 16)
        [child] = service.children()
        kill(child)
        service.wait_for("mailbox replaced")
        setting.deliver("b" * 16)
        [other] = service.children()
        assert other != child
        assert httpx.get(f"http://127.0.0.1:{setting.web}/health").status_code == 200
        relayed = 'countersign_mailbox_arrivals_total{kind="relayed"}'
        assert setting.figure(relayed) == 2, "of both processes"
        assert service.stop() == 0
        assert gone(other)
        assert "Traceback" not in service.text
    assert setting.numbers() == {"a" * 16, "b" * 16}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mailbox_ends_with_a_service_that_is_killed(setting: Setting) -> None:
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        [child] = service.children()
        service.kill()
        assert gone(child)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mailbox_that_cannot_listen_says_so_and_what_to_do(setting: Setting) -> None:
    with socket.create_server(("127.0.0.1", setting.mailbox)), program(*setting.run) as service:
        assert service.process.wait(60) == 1
        assert f"certification.mailbox.listen 127.0.0.1:{setting.mailbox}" in service.text
        assert "choose another address" in service.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_certificate_that_cannot_be_used_is_named(setting: Setting, tmp_path: Path) -> None:
    setting.file.write_text(setting.text + f'mailbox.certificate = "{tmp_path}/none.pem"\n')
    with program(*setting.run, "mailbox") as mailbox:
        assert mailbox.process.wait(60) == 1
        assert f"certification.mailbox.certificate: cannot load {tmp_path}/none.pem" in mailbox.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_mailbox_runs_alone(setting: Setting) -> None:
    setting.file.write_text(setting.text + "mailbox.inside = false\n")
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        assert service.children() == []
        assert service.stop() == 0
    with program(*setting.run, "mailbox") as mailbox:
        assert mailbox.wait_for("mailbox serves")["mailbox"] is True
        setting.deliver("a" * 16)
        assert setting.figure('countersign_mailbox_arrivals_total{kind="relayed"}') == 1
        with socket.create_connection(("127.0.0.1", setting.mailbox)) as idle:
            assert idle.recv(4) == b"220 "
            assert mailbox.stop() == 0
        assert "Traceback" not in mailbox.text
    setting.file.write_text(
        setting.text.replace(f'"127.0.0.1:{setting.mailbox}"', "") + "mailbox.inside = false\n"
    )
    with program(*setting.run, "mailbox") as mailbox:
        assert mailbox.process.wait(30) == 1
        assert "certification.mailbox.listen is empty" in mailbox.text


def test_a_mailbox_that_is_killed_loses_nothing_that_it_acknowledged(setting: Setting) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def send_on() -> None:
        while not stop.is_set():
            number = making.make_number()
            try:
                setting.deliver(number, seconds=5)
            except (smtplib.SMTPException, OSError):
                # It may have been kept, or not: a relay would send it again.
                stop.wait(0.02)
            else:
                acknowledged.append(number)

    senders = [threading.Thread(target=send_on) for _ in range(6)]
    for sender in senders:
        sender.start()
    try:
        for round_ in range(4):
            before = len(acknowledged)
            with program(*setting.run, "mailbox") as mailbox:
                mailbox.wait_for("mailbox serves")
                deadline = time.monotonic() + 30
                # Killed at another point of its work each time: there is always some going on.
                while len(acknowledged) < before + 10 + 3 * round_:
                    assert time.monotonic() < deadline, mailbox.text
                    time.sleep(0.001)
                mailbox.kill()
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    kept = setting.numbers()
    assert len(acknowledged) >= 40
    assert set(acknowledged) <= kept
    assert len(making.settlings(setting.office)) == len(kept), "each was kept with its order"
