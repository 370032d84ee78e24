"""What the registrar's staff decide about applications and servers."""

from __future__ import annotations

from playwright.sync_api import Locator

from tests.registrar.browser import papers
from tests.registrar.browser.papers import HARBOUR, OUTBACK
from tests.registrar.browser.person import Person

PUBLIC_REASON = "Unsolicited mail of a customer"
REMEDY_DONE = "The account is closed, and new customers may write to 50 people a day."
_SCREENERS = {
    "sofia@registrar.example": "Sofia Lindqvist",
    "judith@registrar.example": "Judith Adler",
}
_TIMES_THREE = "Clear, with a larger bond"


def record_an_offender(judith: Person) -> None:
    """Add somebody to the known offenders, having seen what follows."""
    judith.open("/staff/offenders")
    judith.follow("Add a record")
    judith.fill(papers.OFFENDER)
    judith.press("Check the record")
    judith.picture("offender-confirm")
    confirm(judith)
    assert judith.says("All applications are compared with it")


def confirm(person: Person, *, status: int = 200) -> None:
    """Press the button that makes the decision, on the page that says what will follow."""
    assert person.says("Nothing has been done yet")
    assert person.says("What will follow")
    with person.page.expect_navigation():
        _button(person).click()
    person.look(status)


def _button(person: Person) -> Locator:
    return person.main.locator('button[name="confirmed"]')


def clear_harbour(sofia: Person) -> None:
    """Look at the papers of an application against which nothing stands, and clear it."""
    sofia.open("/staff")
    sofia.picture("work-of-a-screener", phone=True)
    sofia.follow(HARBOUR)
    sofia.wait_for("Nobody in the application is like a known offender")
    sofia.wait_for("RDAP")
    assert sofia.says("That you looked is recorded")
    sofia.picture("file-clean", phone=True)
    look_at_a_scan(sofia)
    _decide(sofia, "Clear", "The papers show who the applicant is.")
    confirm(sofia)
    assert sofia.says(f"{HARBOUR} has been cleared")


def look_at_a_scan(sofia: Person) -> None:
    """Open a scan: it comes in a tab of its own, as a picture."""
    with sofia.context.expect_page() as waiting:
        sofia.main.get_by_role("button", name="Open Driver's licence").first.click()
    tab = waiting.value
    tab.wait_for_load_state()
    assert tab.locator("img").evaluate("one => one.naturalWidth") == 900
    tab.close()
    # The tab is of no site, by its sandbox: Chromium may not have the site's icon for it.
    sofia.forgive("NotSameOrigin")
    assert sofia.complaints == [], sofia.complaints


def compare_outback(sofia: Person) -> None:
    """See whom the company's director is like, side by side."""
    sofia.open("/staff/screening")
    sofia.follow(OUTBACK)
    sofia.wait_for("Side by side")
    sofia.wait_for("RDAP")
    sofia.picture("file-doubtful")
    sofia.follow("Side by side")
    sofia.picture("side-by-side")


def decide_at_once(one: Person, other: Person) -> tuple[Person, Person]:
    """Two screeners clear the company with a larger bond in the same moment.

    Returns who was first, and who was told so.
    """
    for person in (one, other):
        person.open("/staff/screening")
        person.follow(OUTBACK)
        _decide(person, _TIMES_THREE, f"It is the man on record, says {person.email}.")
        assert person.says("Clear with a larger bond")
    one.picture("confirm-a-decision")
    with one.page.expect_navigation(), other.page.expect_navigation():
        for person in (one, other):
            # After this call: so that neither browser waits for the other's answer.
            _button(person).evaluate("button => { setTimeout(() => button.click(), 0); }")
    late = [one, other][one.heading() != "Somebody else was first"]
    first = other if late is one else one
    late.look(409)
    first.look()
    assert late.heading() == "Somebody else was first", late.heading()
    assert late.says("has decided in the meantime")
    assert late.says(_SCREENERS[first.email])
    assert first.says(f"{OUTBACK} has been cleared")
    late.picture("somebody-else-was-first", phone=True)
    late.follow("See how it stands now")
    assert late.main.get_by_text("Screening passed").count() == 1
    return first, late


def suspend(judith: Person, base: str) -> None:
    """Suspend a server, with a reason for its owner and another one for everybody."""
    judith.open("/staff/servers?host=mail.harbour")
    judith.follow(HARBOUR)
    judith.picture("server-for-staff", phone=True)
    judith.follow("Suspend", exact=True)
    judith.fill(
        {
            "reason": "A customer sent an advertisement to 4,000 people. Case 2026-0042.",
            "public_reason": PUBLIC_REASON,
            "remedy": "Close the customer's account, and say what keeps it from happening again.",
        }
    )
    judith.press("See what follows")
    judith.picture("confirm-a-suspension")
    confirm(judith)
    assert judith.says(f"{HARBOUR} is suspended")
    assert base.removeprefix("/servers") in judith.path


def accept_the_remedy(judith: Person) -> None:
    """Read what the owner has done, and lift the suspension."""
    judith.open("/staff/cases/suspensions")
    judith.picture("suspensions")
    judith.follow(HARBOUR)
    assert judith.says(REMEDY_DONE)
    judith.follow("What was asked is done")
    judith.fill({"reason": "The owner has shown the closing of the account."})
    judith.press("See what follows")
    confirm(judith)
    assert judith.says(f"{HARBOUR} may send again")


def audit(amir: Person) -> None:
    """See who looked at what, and who asked about offenders."""
    amir.open("/staff/access-log")
    assert amir.says("Sofia Lindqvist")
    amir.picture("access-log")
    amir.open("/staff/offender-queries")
    assert amir.says("Zoë Müller")
    assert not amir.says("Quill")
    amir.open("/staff/jobs")
    assert amir.says("Nothing was given up")


def _decide(person: Person, choice: str, reason: str) -> None:
    person.main.get_by_label(choice, exact=True).check()
    person.fill({"reason": reason})
    person.press("See what follows")
