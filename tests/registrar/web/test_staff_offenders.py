"""Known offenders through the pages: recorded, found, seen, withdrawn."""

from __future__ import annotations

from typing import Any

import pytest

from countersign.registrar.operations.office import Office
from countersign.rules.roles import Role
from countersign.storage.database.screening import Offender
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.staffers import at_desk, looks
from tests.registrar.web.visitors import Site

LIST = "/staff/offenders"
IVAN: dict[str, Any] = {
    "name": "Ivan Petrovich Spamov",
    "birth_date": "1970-05-05",
    "address": "1 Tverskaya, Moscow",
    "kind_0": "passport",
    "country_0": "RU",
    "number_0": "1234 567890",
    "level": "barred",
    "offence_on": "2026-01-31",
    "case_reference": "2026/4",
}


def record(browser: Filler, **changes: str) -> int:
    """Add a record through the pages; return its key."""
    browser.open(f"{LIST}/record")
    page = browser.press("Check the record", {**IVAN, **changes})
    assert "Ivan Petrovich Spamov" in page.text
    assert "1234 567890 (RU)" in page.text
    page = browser.press("Add the record")
    return int(page.text.partition("The record has the number ")[2].partition(".")[0])


def test_a_record_is_added_found_and_seen(site: Site, office: Office) -> None:
    browser = at_desk(site, Role.ADJUDICATOR)
    key = record(browser)
    page = browser.open(LIST)
    assert "Spamov" not in page.text, "the list says nothing of who it is"
    assert "2026/4" in page.text
    for wanted in (
        {"name": "spamov ivan"},
        {"birth_date": "1970-05-05"},
        {"kind": "passport", "country": "RU", "number": "1234567890"},
    ):
        browser.open(LIST)
        page = browser.press("Search", wanted)
        assert f'href="{LIST}/{key}"' in page.text, wanted
        assert "Petrovich" not in page.text.replace('value="', ""), wanted
    page = browser.open(f"{LIST}/{key}")
    assert "1 Tverskaya, Moscow" in page.text
    assert [one.subject for one in looks(office, "offender seen")] == [f"offender:{key}"]
    searched = looks(office, "offenders searched")
    assert len(searched) == 3
    assert all("spamov" not in str(one.details).lower() for one in searched)


def test_nobody_is_found_who_is_another(site: Site) -> None:
    browser = at_desk(site, Role.ADJUDICATOR)
    record(browser)
    browser.open(LIST)
    page = browser.press("Search", {"name": "Zoe Muller"})
    assert "No record is like this" in page.text
    page = browser.press("Search", {"name": "", "birth_date": ""})
    assert page.status_code == 422
    assert "Give a name, a date of birth, or a number" in page.text


def test_a_record_is_withdrawn_with_a_reason(site: Site, office: Office) -> None:
    browser = at_desk(site, Role.ADJUDICATOR)
    key = record(browser)
    browser.open(f"{LIST}/{key}/withdraw")
    assert browser.press("See what follows", {"reason": ""}).status_code == 422
    browser.press("See what follows", {"reason": "It was his brother."})
    page = browser.press("Withdraw it")
    assert "It was his brother." in page.text
    with office.reading() as work:
        assert work.session.get_one(Offender, key).withdrawn_at is not None
    assert "nothing to withdraw" in browser.open(f"{LIST}/{key}/withdraw").text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("birth_date", "1870-01-01"),
        ("offence_on", ""),
        ("offence_on", "2036-01-01"),
        ("country_0", ""),
        ("case_reference", ""),
        ("level", None),
    ],
)
def test_what_cannot_be_is_not_recorded(
    site: Site, office: Office, field: str, value: str | None
) -> None:
    browser = at_desk(site, Role.ADJUDICATOR)
    browser.open(f"{LIST}/record")
    page = browser.press("Check the record", {**IVAN, field: value})
    assert page.status_code == 422
    assert "1 Tverskaya, Moscow" in page.text, "what was typed in stays"
    with office.reading() as work:
        assert work.session.get(Offender, 1) is None


@pytest.mark.parametrize("role", [Role.SCREENER, Role.AUDITOR])
def test_those_who_may_only_look_record_nothing(site: Site, role: Role) -> None:
    key = record(at_desk(site, Role.ADJUDICATOR))
    visitor = site.visitor(role)
    assert "Add a record" not in visitor.get(LIST).text
    assert visitor.get(f"{LIST}/{key}").status_code == 200
    assert visitor.get(f"{LIST}/record").status_code == 403
    assert visitor.post(f"{LIST}/record", IVAN).status_code == 403
    assert visitor.post(f"{LIST}/{key}/withdraw", {"reason": "x"}).status_code == 403


def test_treasurers_see_no_offender(site: Site) -> None:
    key = record(at_desk(site, Role.ADJUDICATOR))
    visitor = site.visitor(Role.TREASURER)
    for path in (LIST, f"{LIST}/{key}"):
        assert visitor.get(path).status_code == 403
