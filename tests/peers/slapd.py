"""A private OpenLDAP directory with users, made from LDIF."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.gateway.authority import make_authority, make_host_certificate
from tests.gateway.world import free_port

BASE = "dc=local,dc=example"
SEARCHER = f"cn=gateway,{BASE}"
SEARCHER_PASSWORD = "what only the gateway knows"
HOST = "localhost"
SECONDS = 30.0


class Slapd:
    """One instance; a context manager. Its certificate is for `localhost`."""

    def __init__(
        self, users: dict[str, str], *, settings: str = "", also: dict[str, list[str]] | None = None
    ) -> None:
        """``users``: passwords of entries by uid; ``also``: more values of their uid.

        ``settings``: more lines of slapd.conf.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="slapd-"))
        self.port, self.tls_port = free_port(), free_port()
        self.authority = make_authority(self.directory)
        certificate = make_host_certificate(self.authority, self.directory, HOST)
        (self.directory / "data").mkdir()
        (self.directory / "slapd.conf").write_text(self._configuration(certificate, settings))
        ldif = self.directory / "users.ldif"
        ldif.write_text(_entries(users, also or {}))
        subprocess.run(
            ["/usr/sbin/slapadd", "-f", str(self._file), "-l", str(ldif)],
            check=True,
            capture_output=True,
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where StartTLS is offered."""
        return f"ldap://{HOST}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{HOST}:{self.tls_port}"

    @property
    def _file(self) -> Path:
        return self.directory / "slapd.conf"

    def _configuration(self, certificate: Path, settings: str) -> str:
        schemas = "\n".join(
            f"include /etc/ldap/schema/{name}.schema"
            for name in ("core", "cosine", "inetorgperson")
        )
        return f"""
{schemas}
pidfile {self.directory}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {self.authority.file}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
security simple_bind=128
database mdb
suffix "{BASE}"
directory {self.directory}/data
maxsize 16777216
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{SEARCHER}" read by anonymous auth by * none
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
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        self._process = subprocess.Popen(
            ["/usr/sbin/slapd", "-f", str(self._file), "-h", urls, "-d", "stats"],
            stdin=subprocess.DEVNULL,
            stderr=(self.directory / "log").open("ab"),
        )
        deadline = time.monotonic() + SECONDS
        while not all(map(_answers, (self.port, self.tls_port))):
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)
            self._process = None

    def log(self) -> str:
        """Return what it has logged: connections and operations."""
        return (self.directory / "log").read_text(errors="replace")


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _entries(users: dict[str, str], also: dict[str, list[str]]) -> str:
    entries = [
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Local\ndc: local\n",
        f"dn: {SEARCHER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
        f"cn: gateway\nuserPassword: {SEARCHER_PASSWORD}\n",
    ]
    for user, password in users.items():
        lines = [
            f"dn: uid={user},{BASE}",
            "objectClass: inetOrgPerson",
            f"uid: {user}",
            f"cn: {user}",
            f"sn: {user}",
            f"mail: {user}@local.example",
        ]
        lines += [f"uid: {name}" for name in also.get(user, ())]
        lines += [f"userPassword: {password}"] if password else []
        entries.append("\n".join(lines) + "\n")
    return "\n".join(entries)
