"""One clock for both sides."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import dns.message
import pytest

from tests.registry.transfer.zones import NOW


@pytest.fixture(scope="module")
def foreign_clock() -> Iterator[None]:
    """Let dnspython sign and verify at our time, however long ago the test was collected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns.message, "time", SimpleNamespace(time=lambda: NOW))
        yield
