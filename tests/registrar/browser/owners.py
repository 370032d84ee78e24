"""Zoë registers her server; an agent applies for a company."""

from __future__ import annotations

from countersign.registrar.particulars.steps import Step
from tests.registrar.browser import applying, papers
from tests.registrar.browser.papers import HARBOUR, OUTBACK
from tests.registrar.browser.person import Person
from tests.registrar.browser.town import PASSWORD


def look_around(visitor: Person) -> None:
    """See what a stranger sees before all that."""
    visitor.open("/")
    visitor.picture("home", phone=True)
    visitor.open("/join")
    visitor.picture("how-to-join")
    visitor.open(f"/hosts/{HARBOUR}", status=404)
    assert visitor.says("This host is not registered")


def apply_for_harbour(zoe: Person, reader: Person) -> str:
    """Sign up, and apply as an individual; returns the address of the server's page.

    reader: a browser in which nobody is signed in.
    """
    zoe.sign_up("Zoë Müller")
    base = applying.begin(zoe, HARBOUR, "individual")
    zoe.picture("owner-empty")
    fill_the_owner_in_after_a_mistake(zoe)
    applying.fill_step(zoe, Step.ADMIN_CONTACT, papers.ADMIN)
    zoe.fill(papers.LOCATION)
    applying.choose_city(zoe, "Melb", "Melbourne, Australia")
    zoe.picture("location")
    zoe.press("Save and continue")
    applying.fill_step(zoe, Step.DIRECTORY, papers.DIRECTORY)
    upload_a_wrong_file(zoe)
    applying.upload_all(zoe)
    zoe.picture("documents", phone=True)
    zoe.follow("Continue to the review")
    assert zoe.says("Not confirmed yet")
    assert zoe.page.get_by_role("button", name="Submit the application").count() == 0
    applying.confirm_address(reader, papers.JAN, HARBOUR)
    applying.submit(zoe, base)
    zoe.picture("submitted")
    assert "Submitted" in zoe.heading()
    return base


def fill_the_owner_in_after_a_mistake(zoe: Person) -> None:
    """Enter the owner with two mistakes, see them, and mend them."""
    zoe.fill({**papers.OWNER, "birth_date": "2019-05-14", "phone": "+61 3 98"})
    zoe.press("Save and continue", status=422)
    summary = zoe.main.get_by_role("alert")
    assert summary.get_by_role("link").count() == 2
    assert zoe.page.evaluate("document.activeElement.classList.contains('error-summary')")
    zoe.picture("owner-with-errors", phone=True)
    summary.get_by_role("link").filter(has_text="18 years").click()
    assert zoe.page.evaluate("document.activeElement.name") == "birth_date"
    assert zoe.main.locator('[name="name"]').input_value() == "Zoë Müller"
    mended = {name: papers.OWNER[name] for name in ("birth_date", "phone")}
    applying.fill_step(zoe, Step.OWNER, mended)


def upload_a_wrong_file(zoe: Person) -> None:
    """Upload what is no scan: its content tells, whatever it is called."""
    wish = zoe.main.locator(".wish").first
    file = {"name": "licence.png", "mimeType": "image/png", "buffer": b"not a picture" * 50}
    wish.get_by_label("File").set_input_files(file)  # type: ignore[arg-type]
    zoe.press("Upload", within=wish, status=422)
    assert zoe.main.get_by_role("alert").is_visible()


def become_an_agent(lena: Person, grace: Person) -> None:
    """Ask to be accredited; the administrator decides."""
    lena.sign_up("Lena Lang")
    lena.open("/account/agent")
    lena.fill(
        {
            "organisation": "Mail Agents Pty Ltd",
            "statement": "For companies in New South Wales whose servers we have set up.",
        }
    )
    lena.press("Ask", exact=True)
    assert lena.says("You are told by mail what becomes of it")
    grace.open("/staff/accreditations")
    grace.picture("accreditation")
    grace.press("Accredit", exact=True)
    assert grace.says("Mail Agents Pty Ltd")
    text = lena.town.mailbox.letter(papers.LENA, "You are accredited as an agent")
    assert "/agent" in text


def apply_for_outback(lena: Person, reader: Person) -> str:
    """Apply for a company whose owner is invited by mail; returns the address of the page."""
    if lena.path == "/account/agent":
        lena.open("/agent")
    if lena.heading() == "Sign in":
        lena.sign_in()
        lena.open("/agent")
    lena.follow("Begin an application")
    lena.picture("agent-new")
    lena.fill({"owner_email": papers.BEN, "owner_name": "Ben Baker"})
    lena.fill({"hostname": OUTBACK, "kind": "business"})
    lena.press("Begin the application")
    base = applying.base_of(lena)
    applying.fill_step(lena, Step.COMPANY, papers.COMPANY)
    director = {f"directors-0-{name}": value for name, value in papers.DIRECTOR.items()}
    applying.fill_step(lena, Step.DIRECTORS, director)
    applying.fill_step(lena, Step.ADMIN_CONTACT, papers.OTHER_ADMIN)
    applying.fill_step(lena, Step.LOCATION, papers.OTHER_LOCATION)
    applying.fill_step(lena, Step.DIRECTORY, {"listed": "on", "name": "Outback Post"})
    applying.upload_all(lena)
    applying.confirm_address(reader, papers.KIM, OUTBACK)
    return base


def let_ben_in(ben: Person) -> None:
    """Confirm the application by the link of the letter, and choose a password."""
    applying.confirm_address(ben, papers.BEN, OUTBACK)
    ben.picture("owner-confirmed")
    ben.follow("Choose one")
    ben.fill({"email": papers.BEN})
    ben.press("Send the link")
    ben.open(ben.town.mailbox.link(papers.BEN, "new password"))
    ben.fill({"password": PASSWORD})
    ben.press("Set the password")
    ben.sign_in()
    assert ben.says(OUTBACK)


def hand_outback_in(lena: Person, base: str) -> None:
    """Submit the company's application."""
    lena.open(f"{base}/application/review")
    lena.picture("review")
    applying.submit(lena, base)
    lena.open("/agent")
    assert lena.says(OUTBACK)
    assert not lena.says(HARBOUR)
    lena.picture("applicants", phone=True)


def apply_without_scripts(max_: Person, reader: Person) -> None:
    """Do all of it in a browser that runs no scripts, from the sign-up to the submission."""
    max_.sign_up("Max Stein")
    base = applying.begin(max_, papers.INLAND, "individual")
    owner = {**papers.OWNER, "name": "Max Stein", "email": papers.MAX}
    max_.fill({**owner, "phone": "+61 3 98"})
    max_.press("Save and continue", status=422)
    assert max_.main.get_by_role("alert").get_by_role("link").count() == 1
    applying.fill_step(max_, Step.OWNER, {"phone": papers.OWNER["phone"]})
    applying.fill_step(max_, Step.ADMIN_CONTACT, papers.ADMIN)
    max_.fill(papers.LOCATION)
    applying.choose_city(max_, "Geel", "Geelong, Australia")
    max_.picture("without-scripts-location", phone=True)
    max_.press("Save and continue")
    applying.fill_step(max_, Step.DIRECTORY, {})
    applying.upload_all(max_)
    applying.confirm_address(reader, papers.JAN, papers.INLAND)
    max_.open(f"{base}/application/review")
    assert max_.says("Geelong")
    applying.submit(max_, base)
    assert "Submitted" in max_.heading()
    max_.sign_out()
    max_.sign_in()
    assert max_.says(papers.INLAND)
    max_.picture("without-scripts-servers")
