"""A registrar's data on both engines: each test has a migrated database of its own.

A test that is about one engine only says so:

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from countersign.registrar.config import RegistrarConfig
from countersign.storage.database.engine import Database
from countersign.storage.database.migration import migrate
from tests.registrar.postgres import TEMPLATE, Postgres, skip_without_postgres

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office


@dataclass
class Clock:
    """The time of an office under test: it stands until somebody moves it."""

    now: datetime.datetime = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def advance(self, **amount: Any) -> None:
        """Move the time on, e.g. ``advance(days=30)``."""
        self.now += datetime.timedelta(**amount)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for all tests of a run."""
    skip_without_postgres()
    server = Postgres()
    try:
        server.run(f"CREATE DATABASE {TEMPLATE}")
        _migrate_and_close(server.url(TEMPLATE))
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that is migrated and empty."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    _migrate_and_close(f"sqlite:///{file}")
    return file


def _migrate_and_close(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database."""
    if request.param == "sqlite":
        file = tmp_path / "registrar.sqlite"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
        yield f"sqlite:///{file}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.make()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    """The office's clock."""
    return Clock()


@pytest.fixture
def office(database: Database, database_url: str, clock: Clock, tmp_path: Path) -> Office:
    """An office with the default configuration, its own state directory and keys."""
    from countersign.registrar.operations.office import Office
    from countersign.registrar.vault.keyring import Keyring

    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    config = RegistrarConfig(state_directory=state, database=database_url)
    return Office(config, database, Keyring(state / "keyring.json"), clock)
