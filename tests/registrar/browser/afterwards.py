"""A registered server: in the directory, suspended for a while, and asking about offenders."""

from __future__ import annotations

from tests.registrar.browser.decisions import PUBLIC_REASON, REMEDY_DONE
from tests.registrar.browser.papers import HARBOUR, OFFENDER, OUTBACK, ZOE
from tests.registrar.browser.person import Person


def find_in_directory(visitor: Person) -> None:
    """Find the two servers as everybody does: by place, by name, by host name."""
    visitor.open("/directory")
    visitor.picture("directory", phone=True)
    visitor.follow("Australia", within=visitor.page.locator("#countries"))
    assert visitor.says("Harbour Mail")
    visitor.follow("Melbourne")
    assert visitor.says(HARBOUR)
    assert not visitor.says(OUTBACK)
    visitor.picture("directory-city", phone=True)
    visitor.open("/directory")
    results = visitor.page.locator("#results")
    visitor.page.get_by_role("searchbox").fill("outback po")
    results.get_by_text(OUTBACK).wait_for()
    visitor.look()
    look_up(visitor, HARBOUR, "Active")
    visitor.picture("host", phone=True)
    visitor.open("/transparency")
    visitor.picture("transparency", phone=True)


def look_up(visitor: Person, hostname: str, state: str) -> None:
    """Look a host up, and see how it stands."""
    visitor.open("/look-up")
    visitor.fill({"host": hostname})
    visitor.press("Look up")
    assert visitor.heading() == f"{hostname} {state}"


def see_suspension(zoe: Person, visitor: Person, base: str) -> None:
    """See what everybody is told, and what lifts the suspension; say what was done."""
    zoe.town.wait_for_entry(HARBOUR, "suspended")
    look_up(visitor, HARBOUR, "Suspended")
    assert visitor.says(PUBLIC_REASON)
    assert not visitor.says("4,000 people")
    visitor.picture("host-suspended")
    text = zoe.town.mailbox.letter(ZOE, f"{HARBOUR} is suspended")
    assert "4,000 people" in text
    zoe.open(base)
    assert "Suspended" in zoe.heading()
    zoe.picture("suspended")
    zoe.follow("See what is asked for")
    assert zoe.says("Close the customer's account")
    zoe.picture("case", phone=True)
    zoe.fill({"done": REMEDY_DONE})
    zoe.press("Tell the registrar")
    assert zoe.says(REMEDY_DONE)


def see_reinstatement(zoe: Person, visitor: Person, base: str) -> None:
    """See that the server may send again; what happened stays public."""
    zoe.town.wait_for_entry(HARBOUR, "registered")
    zoe.open(base)
    assert "Active" in zoe.heading()
    zoe.picture("overview", phone=True)
    look_up(visitor, HARBOUR, "Active")
    assert visitor.says("Suspended")


def ask_about_somebody(zoe: Person) -> None:
    """Ask whether two people are known: the answer is a level and a month."""
    zoe.open("/offender-query")
    who = {name: OFFENDER[name] for name in ("name", "birth_date")}
    zoe.fill({**who, "purpose": "Application for an account"})
    zoe.press("Ask", exact=True)
    assert zoe.says("Known: warned")
    assert zoe.says("August 2024")
    assert not zoe.says("Darling Street")
    zoe.picture("offender-query", phone=True)
    zoe.fill({**who, "name": "Mary Unknown", "purpose": "Application for an account"})
    zoe.press("Ask", exact=True)
    assert zoe.says("Not known")
