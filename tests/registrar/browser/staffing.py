"""The registrar's own people: invited, let in with a second factor, each with a role."""

from __future__ import annotations

from dataclasses import dataclass

from tests.registrar.browser.person import Authenticator, Person
from tests.registrar.browser.town import PASSWORD


@dataclass
class Staff:
    """Who works at the registrar."""

    grace: Person
    """Administrator."""
    sofia: Person
    """Screener."""
    tomas: Person
    """Treasurer; signs in with a passkey."""
    judith: Person
    """Adjudicator, and second screener."""
    amir: Person
    """Auditor."""


def accept_invitation(person: Person, link: str) -> None:
    """Choose a password by the link, and sign in with it: a second factor is asked for."""
    person.open(link)
    assert person.heading() == "Welcome: choose a password"
    person.fill({"password": PASSWORD})
    person.press("Set the password")
    person.fill({"email": person.email, "password": PASSWORD})
    person.press("Sign in", exact=True)
    assert person.heading() == "Second factor"
    assert person.says("Your role needs a second factor")


def set_up_authenticator(person: Person, picture: str = "") -> None:
    """Enrol an authenticator; with pictures of it if they have a name."""
    person.press("Set up an authenticator")
    if picture:
        person.picture(picture)
    person.authenticator = Authenticator(person.page.locator(".copyable code").inner_text())
    person.fill({"code": person.authenticator.code()})
    person.press("Confirm")
    assert person.page.locator("ul.codes li").count() == 10


def set_up_passkey(person: Person) -> None:
    """Add a passkey, kept by Chromium's own authenticator."""
    device = person.context.new_cdp_session(person.page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    person.fill({"name": "Office laptop"})
    person.press("Add a passkey")
    assert person.heading() == "Your recovery codes"
    person.picture("recovery-codes")


def found_the_office(grace: Person, invitation: str) -> None:
    """Let the first administrator in, whom the command line has invited."""
    grace.open("/staff", status=200)
    assert grace.heading() == "Sign in"
    accept_invitation(grace, invitation)
    grace.picture("second-factor", phone=True)
    set_up_authenticator(grace, "authenticator")
    grace.sign_out()
    grace.sign_in()
    assert grace.heading() == "What waits for you"


def invite(grace: Person, person: Person, name: str, *roles: str) -> None:
    """Invite somebody, and let them in by the link in their letter."""
    grace.open("/staff/accounts")
    grace.follow("Invite somebody")
    grace.fill({"name": name, "email": person.email})
    for role in roles:
        grace.main.get_by_label(role, exact=True).check()
    grace.press("Invite", exact=True)
    assert grace.says("a letter with a link is on its way")
    accept_invitation(person, grace.town.mailbox.link(person.email, "Your account at"))


def hire(staff: Staff) -> None:
    """Invite everybody else, and let each sign in with a second factor."""
    invite(staff.grace, staff.sofia, "Sofia Lindqvist", "Screener")
    invite(staff.grace, staff.judith, "Judith Adler", "Adjudicator", "Screener")
    invite(staff.grace, staff.amir, "Amir Haddad", "Auditor")
    for person in (staff.sofia, staff.judith, staff.amir):
        set_up_authenticator(person)
        person.sign_out()
        person.sign_in()
        assert person.heading() == "What waits for you"
    invite(staff.grace, staff.tomas, "Tomás Herrera", "Treasurer")
    set_up_passkey(staff.tomas)
    staff.tomas.sign_out()
    staff.tomas.press("Sign in with a passkey")
    assert staff.tomas.heading() == "What waits for you"
    staff.grace.open("/staff/accounts")
    assert staff.grace.says("tomas@registrar.example")
    staff.grace.picture("staff")
