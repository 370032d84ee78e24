from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.registrar.operations.office import Office
from tests.probe.world import World
from tests.registrar.conftest import (  # noqa: F401 - fixtures
    Clock,
    clock,
    database,
    database_url,
    migrated_sqlite,
    office,
    postgres,
)


@pytest.fixture
async def world(office: Office, clock: Clock, tmp_path: Path) -> AsyncIterator[World]:  # noqa: F811
    """A registrar's database, by the real clock; nothing runs yet but a DNS."""
    clock.now = datetime.datetime.now(datetime.UTC)
    async with World(office, tmp_path).running() as made:
        yield made
