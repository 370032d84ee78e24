from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.gateway.submission.passwords import make_credentials
from countersign.gateway.submission.settings import Local
from countersign.gateway.submission.sources.local import LocalSource
from countersign.storage.submission.account_rows import Deed, NewUser
from countersign.storage.submission.accounts import Accounts

PASSWORD = "vessel quarry lantern 41"
ITERATIONS = 5000


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    made = Accounts(tmp_path / "submission")
    await made.add([NewUser("anna", make_credentials(PASSWORD, ITERATIONS))], Deed("test", 1.0))
    yield made
    await made.aclose()


@pytest.fixture
async def source(accounts: Accounts) -> AsyncIterator[LocalSource]:
    made = LocalSource(accounts, Local(scram_iterations=ITERATIONS), b"s" * 48)
    await made.start()
    yield made
    await made.aclose()
