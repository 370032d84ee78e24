"""A Dovecot that knows one password for everybody: what Postfix asks at AUTH."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

CONFIGURATION = """\
base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/log
protocols =
ssl = no
auth_mechanisms = plain
auth_cache_size = 1M
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  client_limit = 4000
  unix_listener {directory}/auth {{
    mode = 0666
  }}
}}
"""


def missing_reason() -> str:
    """Say why Dovecot cannot run here; empty if it can."""
    return "" if shutil.which("dovecot") else "dovecot is not installed (.ci/install-packages)"


class Dovecot:
    """One instance; a context manager."""

    def __init__(self, password: str) -> None:
        # Dovecot's and Postfix's users must be able to pass through.
        self.directory = Path(tempfile.mkdtemp(prefix="countersign-dovecot-"))
        self.directory.chmod(0o755)
        self.socket = self.directory / "auth"
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its master process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Dovecot:
        file = self.directory / "dovecot.conf"
        file.write_text(CONFIGURATION.format(directory=self.directory, password=self._password))
        self._process = subprocess.Popen(["dovecot", "-F", "-c", str(file)])
        for _ in range(200):
            if self.socket.is_socket():
                return self
            time.sleep(0.05)
        raise RuntimeError("dovecot does not listen")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)
