from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import SubmissionTables
from tests.gateway.world import free_port


class Valkey:
    """A server of this test run, which writes what it holds down as the documentation asks."""

    def __init__(self, program: str, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            *(program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            *("--appendonly", "yes", "--dir", str(directory)),
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                return
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def freeze(self, *, frozen: bool) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait()


@pytest.fixture(scope="session")
def valkey_program() -> str:
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no valkey-server or redis-server (.ci/install-packages)")
        pytest.skip("no valkey-server or redis-server (.ci/install-packages)")
    return program


@pytest.fixture(scope="session")
def shared_valkey(
    valkey_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Valkey]:
    server = Valkey(valkey_program, tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey_url(shared_valkey: Valkey) -> str:
    subprocess.run(
        ["redis-cli", "-p", str(shared_valkey.port), "FLUSHALL"], check=True, capture_output=True
    )
    return shared_valkey.url


@pytest.fixture(params=["local", "valkey"])
def where(request: pytest.FixtureRequest) -> str:
    """The URL of the tables; empty: the local ones."""
    return request.getfixturevalue("valkey_url") if request.param == "valkey" else ""


@pytest.fixture
async def tables(where: str, tmp_path: Path) -> AsyncIterator[SubmissionTables]:
    made = open_submission_tables(where, tmp_path / "submission")
    yield made
    await made.aclose()
