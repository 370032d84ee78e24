"""A private OpenSMTPD, unpacked by .ci/install-packages.

Its paths are compiled in, so that each instance sees mounts of its own. It speaks no TLS: Debian
12's OpenSMTPD completes no handshake as a server (built against OpenSSL 3, which hides the private
key from the process that needs it; OpenSMTPD issue 1171).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

UNPACKED = Path(
    os.environ.get("COUNTERSIGN_OPENSMTPD_DIR", "/var/cache/countersign-tests/opensmtpd")
)
BINARY = UNPACKED / "usr/sbin/smtpd"
_SCRIPT = """\
set -e
mount --bind "$0/usr/libexec" /usr/libexec
for directory in /var/lib /var/spool /run; do
    mount -t tmpfs -o mode=755 none "$directory"
done
mkdir -p /var/lib/opensmtpd/empty
mkdir -m 711 /var/spool/smtpd
exec "$@"
"""


def missing_reason() -> str:
    """Say why a private OpenSMTPD cannot run here; empty if it can."""
    if os.geteuid() == 0 and BINARY.exists():
        return ""
    return f"no OpenSMTPD in {UNPACKED} (.ci/install-packages), or not root"


def skip_without_opensmtpd() -> None:
    """Skip with the reason; in CI a missing OpenSMTPD is a failure."""
    reason = missing_reason()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


class OpenSmtpd:
    """One instance; a context manager."""

    def __init__(
        self, hostname: str, listen: str, *, rules: str, prefix: Sequence[str] = ()
    ) -> None:
        """``listen``: ADDRESS:PORT; ``rules``: actions and matches of smtpd.conf, where the users
        of the host's domain are in the action "local"; ``prefix``: command that starts what
        follows it, as `mounts.with_resolver` gives.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="countersign-opensmtpd-"))
        self.directory.chmod(0o755)
        self._prefix = prefix
        address, _, port = listen.rpartition(":")
        domain = hostname.partition(".")[2]
        users = ", ".join(f'"{user}@{domain}" = "root"' for user in ("user", "postmaster", "abuse"))
        self.config = self.directory / "smtpd.conf"
        self.config.write_text(f"""\
table users {{ {users} }}
listen on {address} port {port} hostname {hostname}
action "local" maildir "{self.directory}/mail" virtual <users>
{rules}
""")

    def __enter__(self) -> OpenSmtpd:
        with (self.directory / "log").open("wb") as log:
            self._daemon = subprocess.Popen(
                [
                    *self._prefix,
                    *("unshare", "--mount", "sh", "-c", _SCRIPT, str(UNPACKED)),
                    *(str(BINARY), "-dv", "-f", str(self.config)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.terminate()
        self._daemon.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")
