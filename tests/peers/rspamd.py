"""A private Rspamd, which is asked over HTTP."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import httpx

from tests.gateway.world import free_port

SECONDS = 60.0


class Rspamd:
    """One instance; a context manager."""

    def __init__(self, local: dict[str, str], *, resolver: str) -> None:
        """``local``: files of local.d; ``resolver``: ADDRESS:PORT of the DNS."""
        self.directory = Path(tempfile.mkdtemp(prefix="countersign-rspamd-"))
        self.port = free_port()
        configuration = self.directory / "etc"
        shutil.copytree("/etc/rspamd", configuration)
        files = {
            "options.inc": f'dns {{ nameserver = ["{resolver}"]; }}\nlocal_addrs = [];\n',
            "worker-normal.inc": f'bind_socket = "127.0.0.1:{self.port}";\ncount = 1;\n',
            "worker-controller.inc": "enabled = false;\n",
            "worker-proxy.inc": "enabled = false;\n",
            "worker-fuzzy.inc": "enabled = false;\n",
            "logging.inc": 'type = "console";\nlevel = "info";\n',
            **local,
        }
        for name, text in files.items():
            (configuration / "local.d" / name).write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        variables = {
            "CONFDIR": "etc",
            "LOCAL_CONFDIR": "etc",
            "DBDIR": "data",
            "RUNDIR": "run",
            "LOGDIR": "log",
        }
        for name in ("data", "run", "log"):
            (self.directory / name).mkdir()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("rspamd", "-f", "-i", "-c", str(self.directory / "etc" / "rspamd.conf")),
                    *(f"--var={key}={self.directory / name}" for key, name in variables.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self._url("ping")).status_code == 200:
                    return self
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self.directory / "console.log"

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def symbols(self, message: bytes, *, client: str) -> dict[str, Any]:
        """Say which symbols a message from a client's address gets."""
        answer = httpx.post(
            self._url("checkv2"), content=message, headers={"IP": client}, timeout=SECONDS
        )
        assert answer.status_code == 200, answer.text
        found = json.loads(answer.text)["symbols"]
        assert isinstance(found, dict)
        return found

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"
