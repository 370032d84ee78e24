from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from tests.gateway.world import World

_configure = structlog.configure


def _configure_without_keeping(**settings: Any) -> None:
    _configure(**{**settings, "cache_logger_on_first_use": False})


# From here on, also for what fixtures of a whole module run in this process: a logger that was
# kept as it was at its first use would go on with that level for ever.
structlog.configure = cast(Any, _configure_without_keeping)


@pytest.fixture(autouse=True)
def logs_as_shipped() -> None:
    """Let no command that ran in this process leave its settings of the log to a test."""
    structlog.reset_defaults()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.start()
    yield made
    await made.stop()
