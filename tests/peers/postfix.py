"""A private Postfix: its own configuration, queue and log in a directory of its own."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

DAEMONS = Path("/usr/lib/postfix/sbin")
MASTER = """\
{listen} inet n - n - - smtpd{smtpd_options}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


def missing_reason() -> str:
    """Say why a private Postfix cannot run here; empty if it can."""
    if os.geteuid() != 0:
        return "a private Postfix needs root"
    return "" if shutil.which("postfix") else "postfix is not installed (.ci/install-packages)"


def skip_without_postfix() -> None:
    """Skip with the reason; in CI a missing Postfix is a failure."""
    reason = missing_reason()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


class Postfix:
    """One instance; a context manager."""

    def __init__(
        self,
        hostname: str,
        listen: str,
        *,
        settings: dict[str, Any] | None = None,
        smtpd_options: dict[str, str] | None = None,
        services: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        """``listen``: ADDRESS:PORT; ``settings``: of main.cf; ``smtpd_options``: -o of smtpd;

        ``services``: more lines of master.cf; ``prefix``: command that starts what follows it, as
        `mounts.with_resolver` gives.
        """
        self.hostname = hostname
        self.listen = listen
        # Postfix's own user must be able to pass through, which a test's tmp_path forbids.
        self.directory = Path(tempfile.mkdtemp(prefix="countersign-postfix-"))
        self.directory.chmod(0o755)
        self.config = self.directory / "config"
        self._settings = settings or {}
        self._smtpd_options = smtpd_options or {}
        self._services = services
        self._prefix = prefix

    def __enter__(self) -> Postfix:
        self._write_configuration()
        self._postfix("start")
        self._wait_for_port()
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(
            ["postfix", "-c", str(self.config), "stop"], capture_output=True, check=False
        )
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def domain(self) -> str:
        return self.hostname.partition(".")[2]

    def messages(self, user: str = "user") -> list[bytes]:
        """The messages of a user of this host's domain."""
        folder = self.directory / "mail" / self.domain / user / "new"
        return [path.read_bytes() for path in sorted(folder.glob("*"))]

    async def wait_for_messages(self, count: int, user: str = "user") -> list[bytes]:
        try:
            async with asyncio.timeout(30):
                while len(self.messages(user)) < count:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"{count} messages did not come:\n{self.log()}")
        return self.messages(user)

    async def submit(self, content: bytes, sender: str, *recipients: str) -> None:
        """Hand a message to sendmail(1)."""
        process = await asyncio.create_subprocess_exec(
            *("sendmail", "-C", str(self.config), "-i", "-f", sender, "--", *recipients),
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "MAIL_CONFIG": str(self.config)},
        )
        await process.communicate(content)
        assert process.returncode == 0

    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def wait_for_log(self, text: str) -> str:
        try:
            async with asyncio.timeout(30):
                while text not in self.log():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"{text!r} is not in the log:\n{self.log()}")
        return self.log()

    def _write_configuration(self) -> None:
        self.config.mkdir()
        for name in ("queue", "data", "mail"):
            (self.directory / name).mkdir()
        nobody = pwd.getpwnam("nobody")
        os.chown(self.directory / "mail", nobody.pw_uid, nobody.pw_gid)
        shutil.chown(self.directory / "data", "postfix")
        host, _, _ = self.listen.rpartition(":")
        settings = {
            "compatibility_level": "3.6",
            "myhostname": self.hostname,
            "mydestination": "",
            "local_transport": "error:no local users",
            "local_recipient_maps": "",
            "alias_maps": "",
            "alias_database": "",
            "inet_interfaces": host.strip("[]"),
            "inet_protocols": "all",
            "queue_directory": self.directory / "queue",
            "data_directory": self.directory / "data",
            "command_directory": "/usr/sbin",
            "daemon_directory": DAEMONS,
            "maillog_file": self.directory / "log",
            "maillog_file_prefixes": self.directory,
            "mynetworks": "",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_maps": f"inline:{{user@{self.domain}={self.domain}/user/}}",
            "virtual_mailbox_base": self.directory / "mail",
            "virtual_uid_maps": f"static:{nobody.pw_uid}",
            "virtual_gid_maps": f"static:{nobody.pw_gid}",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "queue_run_delay": "1s",
            "smtputf8_enable": "no",
        } | self._settings
        lines = (f"{name} = {value}\n" for name, value in settings.items())
        (self.config / "main.cf").write_text("".join(lines))
        options = "".join(f"\n  -o {name}={value}" for name, value in self._smtpd_options.items())
        (self.config / "master.cf").write_text(
            MASTER.format(listen=self.listen, smtpd_options=options) + self._services
        )

    def _postfix(self, command: str) -> None:
        done = subprocess.run(
            [*self._prefix, "postfix", "-c", str(self.config), command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr + self.log()

    def _wait_for_port(self) -> None:
        import socket

        host, _, port = self.listen.rpartition(":")
        deadline = time.monotonic() + 20
        while True:
            try:
                # No greeting is waited for: one that speaks the PROXY protocol gives none yet.
                with socket.create_connection((host.strip("[]"), int(port)), 5):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise AssertionError(f"Postfix did not start:\n{self.log()}") from None
            time.sleep(0.05)
