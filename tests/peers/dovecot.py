"""A private Dovecot whose authentication server is asked over its auth-client socket."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

SECONDS = 30.0


class Dovecot:
    """One instance; a context manager. It can be stopped and started again."""

    def __init__(
        self,
        users: dict[str, str],
        *,
        mechanisms: str = "plain login scram-sha-256",
        settings: str = "",
        before: str = "",
    ) -> None:
        """``users``: passwords; ``settings``: more lines of dovecot.conf, or ``before`` others."""
        self.directory = Path(tempfile.mkdtemp(prefix="dovecot-"))
        # Its processes have users of their own.
        self.directory.chmod(0o755)
        self.socket = self.directory / "run" / "auth-client"
        self.passwords = self.directory / "users"
        self.passwords.write_text(
            "".join(f"{user}:{{PLAIN}}{password}\n" for user, password in users.items())
        )
        for name in ("run", "state"):
            (self.directory / name).mkdir()
        (self.directory / "dovecot.conf").write_text(
            self._configuration(mechanisms, settings, before)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def _configuration(self, mechanisms: str, settings: str, before: str) -> str:
        me = pwd.getpwuid(os.getuid()).pw_name
        return f"""
base_dir = {self.directory}/run
state_dir = {self.directory}/state
instance_name = countersign-test
log_path = {self.directory}/log
protocols =
ssl = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
auth_verbose = yes
{before}
passdb {{
  driver = passwd-file
  args = {self.passwords}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service auth {{
  user = {me}
  unix_listener auth-client {{
    mode = 0600
    user = {me}
  }}
}}
{settings}
"""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start it; it can be asked when this returns."""
        self._process = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", str(self.directory / "dovecot.conf")],
            stdin=subprocess.DEVNULL,
            stderr=(self.directory / "errors").open("ab"),
        )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it and all its processes."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)
            self._process = None

    def kill_authentication(self) -> None:
        """End its authentication server at once, as a crash would; a new one comes when asked."""
        assert self._process is not None
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "auth":
                os.kill(int(child), signal.SIGKILL)

    def log(self) -> str:
        """Return what it has logged."""
        files = (self.directory / name for name in ("log", "errors"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(SECONDS)
            probe.connect(str(self.socket))
            return probe.recv(7) == b"VERSION"
        return False
