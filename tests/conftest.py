from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.gateway.world import World


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Let no test leave its settings of the log to the next one.

    Commands that run in this process configure it; a logger that was kept as it was then would
    go on with that level for ever.
    """
    before = structlog.get_config()
    configure = structlog.configure

    def configure_without_keeping(**settings: Any) -> None:
        configure(**{**settings, "cache_logger_on_first_use": False})

    structlog.configure = configure_without_keeping
    try:
        yield
    finally:
        structlog.configure = configure
        configure(**before)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.start()
    yield made
    await made.stop()
