from __future__ import annotations

import datetime
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from countersign.registrar.operations.office import Office
from countersign.storage.submission.accounts import Accounts
from tests.gateway.users.registrar import Registrar
from tests.registrar.conftest import (  # noqa: F401 - fixtures
    Clock,
    clock,
    database,
    migrated_sqlite,
    office,
)


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:  # noqa: F811
    file = tmp_path / "registrar.sqlite"
    shutil.copy(migrated_sqlite, file)
    return f"sqlite:///{file}"


@pytest.fixture
def registrar(office: Office, clock: Clock, tmp_path: Path) -> Iterator[Registrar]:  # noqa: F811
    """A registrar with an active server; not running yet."""
    clock.now = datetime.datetime.now(datetime.UTC)
    made = Registrar(office, tmp_path)
    yield made
    made.stop()


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    opened = Accounts(tmp_path / "submission")
    yield opened
    await opened.aclose()
