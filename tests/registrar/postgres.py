"""A private PostgreSQL: its own data directory, on a Unix socket that nobody else uses."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
TEMPLATE = "migrated"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    # Its data is thrown away: nothing need survive a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


def missing_reason() -> str:
    """Say why a private PostgreSQL cannot run here; empty if it can."""
    if not (PROGRAMS / "initdb").exists():
        return "PostgreSQL 15 is not installed (.ci/install-packages)"
    return ""


def skip_without_postgres() -> None:
    """Skip with the reason; in CI a missing PostgreSQL is a failure."""
    reason = missing_reason()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


class Postgres:
    """One instance, with one database for each name asked for."""

    def __init__(self) -> None:
        # A Unix socket's path is short, and PostgreSQL's own user must be able to pass through.
        self.directory = Path(tempfile.mkdtemp(prefix="cs-pg-"))
        self._count = 0
        self._as_user: list[str] = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self._as_user += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        self._initialise()
        self._process = subprocess.Popen(
            [
                *self._as_user,
                PROGRAMS / "postgres",
                *("-D", self._data, "-k", self.directory),
                *(f"--{name}={value}" for name, value in SETTINGS.items()),
            ],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_ready()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _initialise(self) -> None:
        # A language's collation, as an installation has it: order must not hang on it.
        locale = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8")
        subprocess.run(
            [
                *self._as_user,
                PROGRAMS / "initdb",
                *("-D", self._data, "-U", "postgres", "-E", "UTF8", "--no-sync", "-A", "trust"),
                *locale,
            ],
            cwd=self.directory,
            check=True,
            capture_output=True,
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def run(self, statement: str) -> None:
        """Run one statement as the superuser."""
        where = {"host": str(self.directory), "user": "postgres", "dbname": "postgres"}
        with psycopg.connect(**where, autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(statement.encode())

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres@/{name}?host={self.directory}"

    def make(self, *, template: str = TEMPLATE) -> str:
        """Make a database like another one, and return its name."""
        self._count += 1
        name = f"test_{self._count}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        """End it at once, and remove its directory."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)
        shutil.rmtree(self.directory, ignore_errors=True)
