"""An OpenDKIM that signs, as a milter: what ours is measured against."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path


def missing_reason() -> str:
    """Say why OpenDKIM cannot run here; empty if it can."""
    return "" if shutil.which("opendkim") else "opendkim is not installed (.ci/install-packages)"


class OpenDkim:
    """One instance; a context manager."""

    def __init__(self, directory: Path, domain: str) -> None:
        self.directory = directory
        self.domain = domain
        self.endpoint = f"unix:{directory}/socket"
        """As Postfix writes it. Over TCP its packets wait for each other (40 ms a message)."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that signs."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> OpenDkim:
        self.directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["opendkim-genkey", "-b", "2048", "-d", self.domain, "-s", "bench"],
            cwd=self.directory,
            check=True,
            capture_output=True,
        )
        settings = {
            "Background": "no",
            "Syslog": "no",
            "Mode": "s",
            "Domain": self.domain,
            "Selector": "bench",
            "KeyFile": self.directory / "bench.private",
            "Socket": f"local:{self.directory}/socket",
            "UMask": "000",
            "Canonicalization": "relaxed/relaxed",
            "SignatureAlgorithm": "rsa-sha256",
            "OversignHeaders": "From",
            "InternalHosts": "127.0.0.0/8",
            "RequireSafeKeys": "no",
            "UserID": pwd.getpwuid(os.geteuid()).pw_name,
        }
        file = self.directory / "opendkim.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self._process = subprocess.Popen(["opendkim", "-f", "-x", str(file)])
        self._wait()
        return self

    def _wait(self) -> None:
        for _ in range(200):
            if (self.directory / "socket").is_socket():
                return
            time.sleep(0.05)
        raise RuntimeError("opendkim does not listen")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
