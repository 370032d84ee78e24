"""The page on which an owner proves control of the host."""

from __future__ import annotations

import pytest

from countersign.protocol.control import zone_line
from countersign.registrar.operations.control import record_look, record_proof
from countersign.registrar.operations.office import Office
from countersign.storage.database.servers import Server
from tests.registrar.operations import life
from tests.registrar.operations.test_control import make_cleared
from tests.registrar.web.owners import owner_of, server_of
from tests.registrar.web.visitors import Site

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_draft_shows_token_record_and_setting(site: Site, office: Office) -> None:
    key = life.make_draft(office)
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}/control").text
    server = server_of(office, key)
    assert server.control_token
    line = zone_line(server.hostname, server.control_token).replace('"', "&#34;")
    assert page.count(line) == 2
    assert f"control_token = &#34;{server.control_token}&#34;" in page
    assert "It has not been looked for yet." in page
    review = browser.open(f"/servers/{key}/application/review").text
    assert f"/servers/{key}/control" in review


def test_the_owner_is_led_there_looks_and_sees_what_was_seen(site: Site, office: Office) -> None:
    key = make_cleared(office)
    browser = owner_of(site, key)
    assert "Prove that you control the host" in browser.open(f"/servers/{key}").text
    assert "Prove that you control" in browser.open(f"/servers/{key}/tests").text
    assert not any("Test it now" in str(form.buttons) for form in browser.forms)
    browser.open(f"/servers/{key}/control")
    page = browser.press("Check now").text
    assert "It is being looked for" in page
    assert 'hx-trigger="every 2s"' in page
    assert browser.press("Check now").status_code == 422
    with office.work() as work:
        record_look(work, work.session.get_one(Server, key), "No <record>.")
    page = browser.open(f"/servers/{key}").text
    assert "No &lt;record&gt;." in page
    with office.work() as work:
        record_proof(work, work.session.get_one(Server, key), "gateway")
    page = browser.open(f"/servers/{key}/control").text
    assert "Control is proven" in page
    assert "by the host’s gateway" in page
    assert "Check now" not in page
    assert "relay test is being made" in browser.open(f"/servers/{key}").text
    assert "Control of the host proven" in browser.open(f"/servers/{key}/events").text


def test_a_program_in_the_page_gets_the_part_that_changes(site: Site, office: Office) -> None:
    key = make_cleared(office)
    browser = owner_of(site, key)
    part = browser.visitor.client.get(f"/servers/{key}/control", headers=HTMX).text
    assert part.strip().startswith('<div id="live"')
    assert "<html" not in part
