"""Registrations from the first click to the directory, in Chromium, at a registrar that runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.registrar.browser import afterwards, decisions, owners, papers, promises, staffing
from tests.registrar.browser.album import Album
from tests.registrar.browser.person import Person
from tests.registrar.browser.staffing import Staff
from tests.registrar.browser.town import Town, running_town
from tests.registrar.web.served import chromium

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if shutil.which("chromium") is None and os.environ.get("CI") == "true":
        pytest.fail("Chromium is not installed (.ci/install-packages)")
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def town(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    directory: Path = tmp_path_factory.mktemp("town")
    with running_town(directory, papers.HARBOUR, papers.OUTBACK) as made:
        yield made


@pytest.fixture(scope="module")
def album() -> Album:
    return Album()


def test_two_servers_are_registered_and_one_is_suspended_for_a_while(
    browser: Browser, town: Town, album: Album
) -> None:
    def person(email: str = "") -> Person:
        return Person(browser, town, album, email)

    names = ("grace", "sofia", "tomas", "judith", "amir")
    staff = Staff(*(person(f"{name}@registrar.example") for name in names))
    staffing.found_the_office(staff.grace, town.invitation)
    staffing.hire(staff)
    visitor = person()
    owners.look_around(visitor)

    zoe = person(papers.ZOE)
    harbour = owners.apply_for_harbour(zoe, visitor)

    decisions.record_an_offender(staff.judith)
    lena, ben = person(papers.LENA), person(papers.BEN)
    owners.become_an_agent(lena, staff.grace)
    outback = owners.apply_for_outback(lena, visitor)
    owners.let_ben_in(ben)
    owners.hand_outback_in(lena, outback)

    for host in (papers.HARBOUR, papers.OUTBACK):
        town.prove_control(host)
    decisions.clear_harbour(staff.sofia)
    decisions.compare_outback(staff.sofia)
    decisions.decide_at_once(staff.sofia, staff.judith)

    promises.wait_for_the_test(zoe, papers.HARBOUR, harbour)
    promises.wait_for_the_test(ben, papers.OUTBACK, outback)
    sponsors = [(one, person(one.email)) for one in town.sponsors]
    promises.find_sponsors(zoe, harbour, sponsors)
    promises.pay_by_bank(staff.tomas, ben, outback)
    for owner, base in ((zoe, harbour), (ben, outback)):
        assert promises.accept_contract(owner, base).startswith(b"%PDF-")
    promises.see_it_active(ben, outback, papers.OUTBACK)
    promises.pay_by_hand(staff.tomas, zoe, harbour)
    promises.see_it_active(zoe, harbour, papers.HARBOUR)
    promises.look_at_the_ledger(staff.tomas)
    afterwards.find_in_directory(visitor)

    decisions.suspend(staff.judith, harbour)
    afterwards.see_suspension(zoe, visitor, harbour)
    decisions.accept_the_remedy(staff.judith)
    afterwards.see_reinstatement(zoe, visitor, harbour)
    afterwards.ask_about_somebody(zoe)
    decisions.audit(staff.amir)


def test_an_owner_applies_in_a_browser_without_scripts(
    browser: Browser, town: Town, album: Album
) -> None:
    town.give_address(papers.INLAND)
    owner, reader = (
        Person(browser, town, album, email, scripts=False) for email in (papers.MAX, "")
    )
    owners.apply_without_scripts(owner, reader)
