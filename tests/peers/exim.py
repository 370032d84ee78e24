"""A private Exim, unpacked by .ci/install-packages (Debian has it or Postfix, not both)."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

UNPACKED = Path(os.environ.get("COUNTERSIGN_EXIM_DIR", "/var/cache/countersign-tests/exim"))
BINARY = UNPACKED / "usr/sbin/exim4"


def skip_without_exim() -> None:
    """Skip with the reason; in CI a missing Exim is a failure."""
    if os.geteuid() == 0 and BINARY.exists():
        return
    reason = f"no Exim in {UNPACKED} (.ci/install-packages), or not root"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Exim:
    """One instance; a context manager. Local mail goes to files, by user."""

    def __init__(
        self,
        hostname: str,
        *,
        main: str = "",
        router: str = "",
        transport: str = "",
        recipients: str = "accept",
        users: Sequence[str] = ("user",),
        pair: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """``router`` and ``transport`` take mail for elsewhere; ``main``: more main settings.

        ``recipients``: the ACL for RCPT, or its name; ``pair``: certificate and key for STARTTLS;
        ``prefix``: command that starts what follows it, as `mounts.with_resolver` gives.
        """
        self._prefix = prefix
        self.directory = Path(tempfile.mkdtemp(prefix="countersign-exim-"))
        self.directory.chmod(0o755)
        for name in ("spool", "log", "mail"):
            (self.directory / name).mkdir()
            shutil.chown(self.directory / name, "Debian-exim", "Debian-exim")
        self.config = self.directory / "exim.conf"
        self.config.write_text(f"""\
exim_path = {BINARY}
primary_hostname = {hostname}
spool_directory = {self.directory}/spool
log_file_path = {self.directory}/log/%s
domainlist local_domains = {hostname.partition(".")[2]}
acl_smtp_rcpt = {recipients}
keep_environment =
log_selector = +all
never_users =
{_tls(pair)}
{main}
begin routers
local:
  driver = accept
  domains = +local_domains
  local_parts = {" : ".join(users)}
  transport = file
unknown:
  driver = redirect
  domains = +local_domains
  allow_fail
  data = :fail: no such user
{router}
begin transports
file:
  driver = appendfile
  file = {self.directory}/mail/user
  user = Debian-exim
  group = Debian-exim
  return_path_add
{transport}
begin retry
* * F,1h,1s
""")
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Exim:
        return self

    def listen(self) -> None:
        """Run as a daemon on the addresses of the configuration."""
        self._daemon = subprocess.Popen(
            [*self._prefix, str(BINARY), "-C", str(self.config), "-bdf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def submit(self, content: bytes, sender: str, recipient: str) -> None:
        """Hand a message over, and wait until it was tried once."""
        process = await asyncio.create_subprocess_exec(
            *(BINARY, "-C", self.config, "-odf", "-oi", "-f", sender, "--", recipient),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(process.communicate(content), 60)
        assert process.returncode == 0, errors

    def log(self) -> str:
        path = self.directory / "log" / "main"
        return path.read_text(errors="replace") if path.exists() else ""

    def mail(self) -> str:
        path = self.directory / "mail" / "user"
        return path.read_text(errors="replace") if path.exists() else ""


def _tls(pair: Path | None) -> str:
    if pair is None:
        return "tls_advertise_hosts ="
    return f"tls_advertise_hosts = *\ntls_certificate = {pair}"
