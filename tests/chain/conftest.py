from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chain.chain import Chain, chain
from tests.chain.data import Data, make_data
from tests.peers.dns_peer import skip_without


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A registrar's database of which a test takes a copy."""
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def running(data: Data, tmp_path: Path) -> Iterator[Chain]:
    """A registrar whom nobody follows yet."""
    skip_without("knotd", "knotc", "nsd", "named")
    with chain(data, tmp_path) as made:
        yield made
