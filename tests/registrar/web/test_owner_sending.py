"""The page on which an owner lets the server send a test message."""

from __future__ import annotations

import pytest

from countersign.certification.outcome import Verdict
from countersign.registrar.operations import sending_tests
from countersign.registrar.operations.office import Office
from countersign.storage.database.servers import Server
from tests.registrar.operations import life
from tests.registrar.operations.test_control import make_cleared
from tests.registrar.reports import EVIL, outcome, result
from tests.registrar.web.owners import owner_of
from tests.registrar.web.visitors import Site

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_an_address_is_given_and_the_result_is_shown(site: Site, office: Office) -> None:
    key = life.make_screened(office)
    browser = owner_of(site, key)
    assert f"/servers/{key}/sending-test" in browser.open(f"/servers/{key}/tests").text
    browser.open(f"/servers/{key}/sending-test")
    page = browser.press("Get an address").text
    with office.reading() as work:
        test = sending_tests.current(work, work.session.get_one(Server, key))
        assert test is not None
        address = sending_tests.address_of(work, test)
    assert f"<code>{address}</code>" in page
    assert "Waiting for the message" in page
    assert "Get another address" not in page
    with office.work() as work:
        test = sending_tests.current(work, work.session.get_one(Server, key))
        assert test is not None
        seen = outcome("sender-session-id", "Session ID", Verdict.PASSED)
        sending_tests.record(work, test, "passed", result(office, seen).to_dict())
    part = browser.visitor.client.get(f"/servers/{key}/sending-test", headers=HTMX).text
    assert "Session ID was seen." in part
    assert "hx-get" not in part
    assert EVIL not in part
    browser.open(f"/servers/{key}/sending-test")
    assert address not in browser.press("Get another address").text


def test_nobody_sends_before_control_is_proven(site: Site, office: Office) -> None:
    key = make_cleared(office)
    browser = owner_of(site, key)
    page = browser.open(f"/servers/{key}/sending-test").text
    assert "Control of the host is not proven" in page
    assert not any("address" in str(form.buttons) for form in browser.forms)
