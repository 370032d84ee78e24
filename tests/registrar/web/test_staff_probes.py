"""Pages of probes: where each stands, inviting one, revoking one; for few eyes only."""

from __future__ import annotations

import html
import re

import pytest
import structlog.testing
from sqlalchemy import select

from countersign.registrar.operations.office import Office
from countersign.rules.roles import Role
from countersign.storage.database.probing import Probe
from tests.probe.rows import add_order, add_probe, invite, order_of, revoke
from tests.registrar.conftest import Clock
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.visitors import Site

LIST = "/staff/probes"
FIELDS = {
    "name": "lima-2",
    "network": "198.51.100.0/24",
    "as_number": "AS64500",
    "place": "Lima <Peru>",
}
FEW = "Too few probes"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def probes(office: Office) -> list[Probe]:
    with office.reading() as work:
        return list(work.session.scalars(select(Probe).order_by(Probe.id)))


def test_each_is_shown_with_range_condition_and_open_orders(
    site: Site, office: Office, clock: Clock
) -> None:
    lima, _ = add_probe(office, "lima", "192.0.2.0/25")
    add_order(office, lima)
    clock.advance(minutes=4)
    add_probe(office, "oslo", "2001:db8::/48")
    clock.advance(minutes=3)
    invite(office, "perth", "198.51.100.0/24")
    text = " ".join(site.visitor(Role.AUDITOR).get(LIST).text.split())
    for words in ("192.0.2.0/25", "2001:db8::/48", "7 min ago", "3 min ago", "Never"):
        assert words in text, words
    for condition in ("Silent", "Well", "Invited"):
        assert f">{condition}</span>" in text, condition
    clock.advance(days=7)
    assert ">Lapsed</span>" in site.visitor(Role.AUDITOR).get(LIST).text


def test_it_warns_until_there_are_enough_distinct_ranges(site: Site, office: Office) -> None:
    visitor = site.visitor(Role.ADMINISTRATOR)
    assert "There are no probes yet" in visitor.get(LIST).text
    for number in range(3):
        add_probe(office, f"probe-{number}", f"198.18.{number}.0/24")
    # Two of one range count once, and an invitation for nothing.
    add_probe(office, "near", "198.18.1.0/25")
    invite(office, "perth", "198.51.100.0/24")
    page = visitor.get(LIST).text
    assert FEW in page
    assert "3 distinct network ranges, and 4 are needed" in page
    add_probe(office, "last", "192.0.2.0/24")
    assert FEW not in visitor.get(LIST).text


def test_the_token_is_shown_once_and_no_log_has_it(site: Site, office: Office) -> None:
    browser = at_desk(site, Role.ADMINISTRATOR)
    browser.open(f"{LIST}/invite")
    with structlog.testing.capture_logs() as logged:
        page = browser.press("Invite it", FIELDS)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    found = re.search(r"<code>(countersign probe enrol [^<]+)</code>", page.text)
    assert found is not None, page.text
    command = html.unescape(found[1])
    assert command.endswith("--network 198.51.100.0/24 --as 64500")
    token = command.split("--token ")[1].split()[0]
    [row] = probes(office)
    assert (row.name, row.as_number, row.place) == ("lima-2", 64500, "Lima <Peru>")
    mine = looks(office, account_id=browser.visitor.account_id)
    assert [one.what for one in mine] == ["probe invited"]
    assert token not in repr(logged) + repr([one.details for one in looks(office)])
    for address in (LIST, f"{LIST}/{row.id}"):
        assert token not in browser.open(address).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "nowhere"}, "CIDR"),
        ({"name": "Not A Name"}, "lower-case"),
        ({"as_number": "many"}, "in digits"),
        ({"as_number": "0"}, "AS number"),
        ({"as_number": "9" * 30}, "in digits"),
    ],
)
def test_what_was_typed_stays_where_it_is_refused(
    site: Site, office: Office, changes: dict[str, str], words: str
) -> None:
    browser = at_desk(site, Role.ADMINISTRATOR)
    browser.open(f"{LIST}/invite")
    page = browser.press("Invite it", {**FIELDS, **changes})
    assert page.status_code == 422
    assert words in page.text
    [(name, value)] = changes.items()
    assert f'value="{value}"' in page.text or name == "as_number"
    assert probes(office) == []


def test_one_is_revoked_and_its_orders_end(site: Site, office: Office) -> None:
    key, _ = add_probe(office)
    order = add_order(office, key)
    browser = at_desk(site, Role.ADMINISTRATOR)
    assert "192.0.2.0/24" in browser.open(f"{LIST}/{key}").text
    page = browser.press("Revoke lima")
    assert "Revoked" in page.text
    assert order_of(office, order).ended_at is not None
    assert browser.visitor.get(f"{LIST}/{key}").status_code == 404
    assert browser.visitor.post(f"{LIST}/{key}/revoke").status_code == 404


def test_an_auditor_only_looks(site: Site, office: Office) -> None:
    key, _ = add_probe(office)
    visitor = site.visitor(Role.AUDITOR)
    page = visitor.get(f"{LIST}/{key}").text
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
    assert visitor.post(f"{LIST}/{key}/revoke").status_code == 403
    assert visitor.get(f"{LIST}/invite").status_code == 403
    assert visitor.post(f"{LIST}/invite", FIELDS).status_code == 403
    assert [one.revoked_at for one in probes(office)] == [None]


@pytest.mark.parametrize("role", [Role.SCREENER, Role.ADJUDICATOR, Role.TREASURER, Role.AGENT])
def test_nobody_else_sees_them(site: Site, office: Office, role: Role) -> None:
    key, _ = add_probe(office)
    visitor = site.visitor(role)
    for address in (LIST, f"{LIST}/{key}"):
        answer = visitor.get(address)
        assert answer.status_code == 403
        assert "lima" not in answer.text
    assert LIST not in visitor.get("/").text


@pytest.mark.parametrize("address", ["invite", "1/revoke"])
def test_what_is_sensitive_wants_a_fresh_proof(
    site: Site, office: Office, clock: Clock, address: str
) -> None:
    add_probe(office)
    visitor = site.visitor(Role.ADMINISTRATOR)
    clock.advance(minutes=11)
    answer = visitor.post(f"{LIST}/{address}", page=LIST)
    assert answer.headers["location"].startswith("/account/prove?")
    assert [one.revoked_at for one in probes(office)] == [None]


def test_those_that_were_revoked_are_not_listed(site: Site, office: Office) -> None:
    key, _ = add_probe(office)
    revoke(office, key)
    assert "lima" not in site.visitor(Role.AUDITOR).get(LIST).text
