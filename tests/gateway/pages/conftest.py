from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.pages.house import House, make_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The pages, with a user and an administrator."""
    made = make_house(tmp_path)
    await made.user("mei")
    await made.user("olaf", administrator=True)
    async with made.open() as house:
        yield house
