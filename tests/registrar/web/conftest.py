from __future__ import annotations

import pytest

from countersign.registrar.operations.office import Office
from tests.registrar.web.visitors import Site


@pytest.fixture
def site(office: Office) -> Site:
    """The website on the office's data."""
    return Site(office)
