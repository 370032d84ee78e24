"""A private Dovecot that does nothing but check passwords for Postfix."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest


def skip_without_dovecot() -> None:
    """Skip with the reason; in CI a missing Dovecot is a failure."""
    if os.geteuid() == 0 and shutil.which("dovecot"):
        return
    reason = "dovecot is not installed (.ci/install-packages), or not root"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class DovecotSasl:
    """One instance; a context manager."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """``users``: passwords by name."""
        # Others than root must be able to pass through, which a test's tmp_path forbids.
        self.directory = Path(tempfile.mkdtemp(prefix="countersign-dovecot-"))
        self.directory.chmod(0o755)
        self.socket = self.directory / "postfix-auth"
        passwords = self.directory / "users"
        passwords.write_text("".join(f"{user}:{{PLAIN}}{pw}\n" for user, pw in users.items()))
        passwords.chmod(0o644)
        self._config = self.directory / "dovecot.conf"
        self._config.write_text(f"""\
base_dir = {self.directory}/run
state_dir = {self.directory}/state
log_path = {self.directory}/log
protocols =
ssl = no
auth_mechanisms = plain login
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {passwords}
}}
service auth {{
  unix_listener {self.socket} {{
    mode = 0666
  }}
}}
""")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DovecotSasl:
        self._process = subprocess.Popen(["dovecot", "-F", "-c", str(self._config)])
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            assert self._process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, "Dovecot did not start"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)
