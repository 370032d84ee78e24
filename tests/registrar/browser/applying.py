"""How an application is filled in, page by page."""

from __future__ import annotations

import re
from collections.abc import Mapping

from countersign.registrar.particulars.steps import Step
from tests.registrar.browser import papers
from tests.registrar.browser.person import Person


def begin(person: Person, hostname: str, kind: str) -> str:
    """Begin an application of one's own; returns the address of the server's page."""
    person.open("/servers")
    person.follow("Register a server")
    person.fill({"hostname": hostname, "kind": kind})
    person.press("Begin the application")
    return base_of(person)


def base_of(person: Person) -> str:
    """Return the address of the server whose page is open."""
    found = re.match(r"/servers/\d+", person.path)
    assert found is not None, person.path
    return found[0]


def fill_step(person: Person, step: Step, form: Mapping[str, str]) -> None:
    """Fill a step in and go on to the next one."""
    assert person.path.endswith(f"/application/{step}"), person.path
    person.fill(form)
    person.press("Save and continue")
    assert not person.path.endswith(f"/application/{step}"), person.main.inner_text()


def choose_city(person: Person, beginning: str, city: str) -> None:
    """Choose the city on the map, among those that are suggested while one types."""
    person.page.get_by_label("Search for a city").fill(beginning)
    choice = person.page.get_by_label(city)
    if not person.scripts:
        assert not choice.is_visible()
        person.press("Search", exact=True)
    choice.check()


def upload_all(person: Person) -> None:
    """Upload every scan that is wished."""
    while (wishes := person.main.locator(".wish").filter(has_text="Missing")).count():
        wish = wishes.first
        label = wish.locator("h4").inner_text()
        wish.get_by_label("File").set_input_files(papers.scan(label))
        person.press("Upload", within=wish)
        assert person.says("kept encrypted"), label


def confirm_address(reader: Person, address: str, hostname: str) -> None:
    """Open the link that a contact was sent, and confirm."""
    reader.open(reader.town.mailbox.link(address, f"contact of the mail server {hostname}"))
    reader.press("Yes, that is right")
    assert reader.heading() == "Thank you"


def submit(person: Person, base: str) -> None:
    """Hand the application in."""
    person.open(f"{base}/application/review")
    person.press("Submit the application")
    assert person.says("The application has been submitted")
