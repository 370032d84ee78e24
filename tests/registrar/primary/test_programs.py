"""The primary as a process: alone, beside the service, killed, and with a large zone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import httpx
import pytest

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import open_office
from countersign.registrar.operations.office import Office
from countersign.registrar.publishing.publisher import ensure_published
from countersign.settings.file import load_config
from tests.gateway.world import free_port
from tests.registrar.primary.programs import gone, is_alive, kill, program, resident
from tests.registrar.primary.running import add_secondary, fill, keyring

pytestmark = [
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


class Setting:
    """A configuration file, and the office that it is of."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self.web, self.primary, self.metrics = free_port(), free_port(), free_port()
        self.file = directory / "registrar.toml"
        self.state = directory / "state"
        self.text = f"""\
url = "http://localhost:{self.web}"
listen = "127.0.0.1:{self.web}"
state_directory = "{self.state}"
database = "{database_url}"
reserved_names = true
metrics.listen = "127.0.0.1:{self.metrics}"
certification.mailbox.listen = []

[primary]
listen = ["127.0.0.1:{self.primary}"]
"""
        self.file.write_text(self.text)
        self.office: Office = open_office(load_config(self.file, RegistrarConfig))
        self.secondary, self.key = add_secondary(self.office, "ns1")

    @property
    def run(self) -> tuple[str, ...]:
        return "registrar", "--config", str(self.file)

    def ask(self, kind: str = "SOA", seconds: float = 5) -> dns.message.Message:
        question = dns.message.make_query(self.office.config.zone, kind)
        question.use_tsig(keyring(self.key), keyname=dns.name.from_text(self.key.name))
        return dns.query.udp(question, "127.0.0.1", port=self.primary, timeout=seconds)

    def wait_until_it_answers(self, seconds: float = 30) -> int:
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self.ask(seconds=1)
            except (dns.exception.DNSException, OSError):
                assert time.monotonic() < deadline
                time.sleep(0.1)
                continue
            if answer.rcode() == dns.rcode.NOERROR:
                serial: int = answer.answer[0][0].serial
                return serial
            assert time.monotonic() < deadline
            time.sleep(0.1)

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


def test_the_service_starts_a_primary_replaces_it_and_ends_it(setting: Setting) -> None:
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        first = service.wait_for("primary runs beside the service")
        assert first["listen"] == [f"127.0.0.1:{setting.primary}"]
        serial = setting.wait_until_it_answers()
        [child] = service.children()
        kill(child)
        service.wait_for("primary replaced")
        assert setting.wait_until_it_answers() == serial
        [other] = service.children()
        assert other != child
        assert httpx.get(f"http://127.0.0.1:{setting.web}/health").status_code == 200
        assert setting.figure("countersign_zone_serial") == serial
        assert (setting.figure("countersign_zone_records") or 0) > 5
        answered = 'countersign_primary_questions_total{outcome="answered"}'
        assert (setting.figure(answered) or 0) >= 2, "of both processes"
        assert service.stop() == 0
        assert gone(other)
        assert setting.key.encoded not in service.text
        assert setting.key.secret.hex() not in service.text


def test_a_primary_ends_with_a_service_that_is_killed(setting: Setting) -> None:
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        [child] = service.children()
        service.kill()
        assert gone(child)
    # And another service can take the address at once.
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        setting.wait_until_it_answers()


def test_a_service_whose_primary_cannot_listen_says_so_and_what_to_do(setting: Setting) -> None:
    with socket.create_server(("127.0.0.1", setting.primary)), program(*setting.run) as service:
        assert service.process.wait(60) == 1
        assert f"primary.listen 127.0.0.1:{setting.primary}" in service.text
        assert "another program listens there" in service.text


def test_a_primary_that_cannot_come_back_is_tried_again_and_the_website_goes_on(
    setting: Setting,
) -> None:
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        [child] = service.children()
        os.kill(child, 19)
        # While it stands still it cannot be replaced: its socket is still there.
        with pytest.raises(dns.exception.Timeout):
            setting.ask(seconds=0.5)
        kill(child)
        blocker = _take(setting.primary)
        if blocker is not None:
            service.wait_for("primary not started: secondaries get no changes", seconds=60)
            assert httpx.get(f"http://127.0.0.1:{setting.web}/health").status_code == 200
            blocker.close()
        service.wait_for("primary replaced", seconds=60)
        setting.wait_until_it_answers()


def _take(port: int) -> socket.socket | None:
    """Take a port before the next primary does, if that can be."""
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            time.sleep(0.002)
    return None


def test_the_primary_runs_alone(setting: Setting) -> None:
    with program(*setting.run, "primary") as primary:
        assert primary.wait_for("primary serves")["primary"] is True
        serial = setting.wait_until_it_answers()
        answered = 'countersign_primary_questions_total{outcome="answered"}'
        assert (setting.figure(answered) or 0) >= 1
        assert setting.figure("countersign_zone_serial") == serial
        with socket.create_connection(("127.0.0.1", setting.primary)) as idle:
            setting.ask()
            assert primary.stop() == 0
            assert idle.recv(1) == b""
        assert "Traceback" not in primary.text
    setting.file.write_text(setting.text.replace(f'"127.0.0.1:{setting.primary}"', ""))
    with program(*setting.run, "primary") as primary:
        assert primary.process.wait(30) == 1
        assert "primary.listen is empty" in primary.text


def test_a_copy_that_is_deleted_beneath_the_primary_is_made_again(setting: Setting) -> None:
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        first = setting.wait_until_it_answers()
        [child] = service.children()
        shutil.rmtree(setting.state / "zone")
        fill(setting.office, 3)
        deadline = time.monotonic() + 30
        while setting.wait_until_it_answers() == first:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert service.children() == [child], "nobody had to wait for another process"
        assert service.stop() == 0
        assert "Traceback" not in service.text


def test_a_service_without_a_primary_of_its_own(setting: Setting) -> None:
    setting.file.write_text(setting.text + "inside = false\n")
    with program(*setting.run) as service:
        service.wait_for("registrar serves")
        assert service.children() == []
        with program(*setting.run, "primary") as primary:
            # Both want to serve metrics at one address.
            assert primary.process.wait(30) == 1
            assert "metrics.listen" in primary.text


def test_a_zone_of_300_000_names_is_sent_to_slow_readers_with_bounded_memory(
    setting: Setting,
) -> None:
    fill(setting.office, 300_000)
    ensure_published(setting.office)
    with program(*setting.run, "primary") as primary:
        primary.wait_for("zone served", seconds=120)
        setting.wait_until_it_answers()
        before = resident(primary.process.pid)
        readers = [socket.create_connection(("127.0.0.1", setting.primary)) for _ in range(8)]
        question = dns.message.make_query(setting.office.config.zone, "AXFR")
        question.use_tsig(keyring(setting.key), keyname=dns.name.from_text(setting.key.name))
        wire = question.to_wire()
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sendall(len(wire).to_bytes(2, "big") + wire)
        most, taken = before, 0
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for reader in readers:
                taken += len(reader.recv(65536))
            most = max(most, resident(primary.process.pid))
        began = time.monotonic()
        setting.ask()
        assert time.monotonic() - began < 10
        for reader in readers:
            reader.close()
        assert taken > 1_000_000
        assert most - before < 24 * 1024 * 1024, json.dumps([before, most])
        assert is_alive(primary.process.pid)
