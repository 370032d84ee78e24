"""A private Sendmail, unpacked by .ci/install-packages (Debian has it or Postfix, not both)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

UNPACKED = Path(os.environ.get("COUNTERSIGN_SENDMAIL_DIR", "/var/cache/countersign-tests/sendmail"))
BINARY = UNPACKED / "usr/libexec/sendmail/sendmail"
# A host whose own name has no dot, or is not known, lets Sendmail sleep for a minute.
_SCRIPT = 'hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"'
_CF = UNPACKED / "usr/share/sendmail/cf"


def skip_without_sendmail() -> None:
    """Skip with the reason; in CI a missing Sendmail is a failure."""
    if os.geteuid() == 0 and BINARY.exists() and shutil.which("m4"):
        return
    reason = f"no Sendmail in {UNPACKED} or no m4 (.ci/install-packages), or not root"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Sendmail:
    """One instance; a context manager. All mail goes to one relay."""

    def __init__(
        self,
        hostname: str,
        port: int,
        *,
        lines: str,
        pair: Path,
        users: Mapping[str, str],
        relay_port: int,
    ) -> None:
        """``port``: of its own daemon for mail servers; ``lines``: of sendmail.mc.

        ``pair``: certificate and key; ``users``: passwords by name; ``relay_port``: of 127.0.0.1.
        """
        # Not below /tmp: Sendmail trusts nothing in a directory that anybody may write to.
        self.directory = Path(tempfile.mkdtemp(prefix="countersign-sendmail-", dir="/run"))
        self.directory.chmod(0o755)
        (self.directory / "queue").mkdir(mode=0o700)
        self._passwords = _Passwords(self.directory / "mux", users)
        sasl = self.directory / "sasl"
        sasl.mkdir()
        (sasl / "Sendmail.conf").write_text(
            "pwcheck_method: saslauthd\n"
            f"saslauthd_path: {self.directory}/mux\n"
            "mech_list: PLAIN LOGIN\n"
        )
        self._hostname = hostname
        self._hosts = self.directory / "hosts"
        self._hosts.write_text(f"127.0.0.1 {hostname} localhost\n")
        (self.directory / "switch").write_text("hosts files\naliases files\n")
        key = self.directory / "key.pem"
        key.write_bytes(pair.read_bytes())
        key.chmod(0o600)
        source = f"""\
include(`{_CF}/m4/cf.m4')dnl
VERSIONID(`countersign')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`QUEUE_DIR', `{self.directory}/queue')dnl
define(`confSERVICE_SWITCH_FILE', `{self.directory}/switch')dnl
define(`STATUS_FILE', `{self.directory}/status')dnl
define(`confPID_FILE', `{self.directory}/pid')dnl
define(`confHOST_STATUS_DIRECTORY', `')dnl
define(`confCW_FILE', `-o {self.directory}/none')dnl
define(`ALIAS_FILE', `')dnl
define(`confDEF_USER_ID', `nobody:nogroup')dnl
define(`confTRUSTED_USER', `root')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
define(`confSERVER_CERT', `{key}')dnl
define(`confSERVER_KEY', `{key}')dnl
define(`confCACERT', `{key}')dnl
define(`confCACERT_PATH', `{sasl}')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {relay_port}')dnl
define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl
define(`confTO_IDENT', `0s')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Addr=127.0.0.1, Port={port}, Name=MTA')dnl
{lines}
MAILER(`smtp')dnl
LOCAL_CONFIG
ESASL_CONF_PATH={sasl}
"""
        self._source = self.directory / "sendmail.mc"
        self._source.write_text(source)
        self.config = self.directory / "sendmail.cf"
        self._port = port
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sendmail:
        made = subprocess.run(
            ["m4", f"-D_CF_DIR_={_CF}/", str(self._source)], capture_output=True, check=True
        )
        self.config.write_bytes(made.stdout)
        with (self.directory / "log").open("wb") as log:
            self._daemon = subprocess.Popen(
                [
                    *("unshare", "--uts", "--mount", "sh", "-c", _SCRIPT),
                    *(self._hostname, str(self._hosts)),
                    str(BINARY),
                    f"-C{self.config}",
                    *("-bD", "-q1s", f"-X{self.directory}/traffic"),
                ],
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_for_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self._port), 5):
                    return
            except OSError:
                assert self._daemon is not None
                assert self._daemon.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(20)
        self._passwords.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        """What it has said to its clients and its filter, and on its way out."""
        files = (self.directory / "log", self.directory / "traffic")
        return "".join(file.read_text(errors="replace") for file in files if file.exists())


class _Passwords:
    """Checks passwords as saslauthd does: four strings come, each after its length."""

    def __init__(self, path: Path, users: Mapping[str, str]) -> None:
        self._users = users
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                user, password, _service, _realm = (
                    file.read(int.from_bytes(file.read(2))).decode() for _ in range(4)
                )
                answer = b"OK" if self._users.get(user) == password else b"NO"
                connection.sendall(len(answer).to_bytes(2) + answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
