"""A server's tabs ask for what the pages that they lead to ask for."""

from __future__ import annotations

import pytest

from countersign.registrar.web.access import server
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import by_path
from countersign.registrar.web.sections import all_pages


@pytest.mark.parametrize("tab", frame.TABS, ids=lambda tab: tab.label)
def test_a_tab_asks_for_the_permission_that_its_page_asks_for(tab: frame.Tab) -> None:
    page = by_path(all_pages())["/servers/{server:key}" + tab.path]["GET"]
    assert page.access == server(tab.permission)
