"""Letters on a secondary that is behind or ahead, and that is well again."""

from __future__ import annotations

import pytest

from countersign.registrar.operations import secondaries
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.secondaries import Condition, alert
from countersign.registrar.operations.secondary_details import Details
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account
from countersign.storage.database.replication import Secondary, SecondaryState
from tests.registrar.conftest import Clock
from tests.registrar.jobs.doing import do_jobs, letters
from tests.registrar.operations import life
from tests.registrar.operations.at_once import at_once
from tests.registrar.replication import add_secondary, note_state, publish

CONTACT = "noc@muller.com.au"


def tell(office: Office, secondary_id: int, condition: Condition) -> bool:
    with office.work() as work:
        return alert(work, work.session.get_one(Secondary, secondary_id), condition)


def prepare(office: Office, clock: Clock, contact: str = CONTACT) -> int:
    life.make_account(office, "ada@muller.com.au", Role.ADMINISTRATOR)
    life.make_account(office, "eva@muller.com.au", Role.AUDITOR)
    secondary_id, _ = add_secondary(office, details=Details(place="Frankfurt", contact=contact))
    publish(office, 7)
    note_state(office, secondary_id, serial=5, behind_since=clock.now)
    clock.advance(minutes=3)
    return secondary_id


def test_contact_and_administrators_are_told_once_that_a_secondary_is_behind(
    office: Office, clock: Clock
) -> None:
    secondary_id = prepare(office, clock)
    assert tell(office, secondary_id, Condition.BEHIND)
    clock.advance(minutes=1)
    assert not tell(office, secondary_id, Condition.BEHIND)
    assert not tell(office, secondary_id, Condition.AHEAD)
    assert set(do_jobs(office, ["mail"])) == {("mail", "done")}
    got = {str(one["To"]): str(one.get_content()) for one in letters(office)}
    assert set(got) == {CONTACT, "ada@muller.com.au"}
    for text in got.values():
        assert "published 3 minutes ago" in " ".join(text.split())
        assert "Its version:   5\n" in text
        assert "The zone's:    7\n" in text
    assert f"http://localhost:8025/staff/secondaries/{secondary_id}\n" in got["ada@muller.com.au"]
    assert "/staff/" not in got[CONTACT]
    assert "you are the contact of frankfurt-1" in " ".join(got[CONTACT].split())


def test_they_are_told_when_it_is_up_to_date_again_and_of_the_next_time(
    office: Office, clock: Clock
) -> None:
    secondary_id = prepare(office, clock)
    told = [
        tell(office, secondary_id, condition)
        for condition in (
            Condition.UP_TO_DATE,
            Condition.BEHIND,
            Condition.CATCHING_UP,
            Condition.UP_TO_DATE,
            Condition.UP_TO_DATE,
            Condition.BEHIND,
        )
    ]
    assert told == [False, True, False, True, False, True]
    do_jobs(office, ["mail"])
    subjects = [str(one["Subject"]) for one in letters(office) if one["To"] == CONTACT]
    behind = "frankfurt-1 is behind with the zone registry.example"
    assert subjects == [behind, "frankfurt-1 is up to date again", behind]


def test_they_are_told_that_it_is_ahead(office: Office, clock: Clock) -> None:
    secondary_id = prepare(office, clock)
    assert tell(office, secondary_id, Condition.AHEAD)
    do_jobs(office, ["mail"])
    assert "is ahead of the zone" in str(letters(office)[0]["Subject"])


def test_an_administrator_who_is_the_contact_gets_one_letter(office: Office, clock: Clock) -> None:
    secondary_id = prepare(office, clock, contact="ada@muller.com.au")
    assert tell(office, secondary_id, Condition.BEHIND)
    do_jobs(office, ["mail"])
    assert [str(one["To"]) for one in letters(office)] == ["ada@muller.com.au"]


def test_without_a_contact_only_administrators_are_told(office: Office, clock: Clock) -> None:
    secondary_id = prepare(office, clock, contact="")
    assert tell(office, secondary_id, Condition.BEHIND)
    do_jobs(office, ["mail"])
    assert [str(one["To"]) for one in letters(office)] == ["ada@muller.com.au"]


def test_who_was_shut_out_is_not_told(office: Office, clock: Clock) -> None:
    secondary_id = prepare(office, clock, contact="")
    with office.work() as work:
        account = work.session.query(Account).filter_by(email="ada@muller.com.au").one()
        account.disabled_at = work.now
    tell(office, secondary_id, Condition.BEHIND)
    assert do_jobs(office, ["mail"]) == []


def test_nobody_is_written_to_of_a_secondary_that_was_removed(office: Office, clock: Clock) -> None:
    secondary_id = prepare(office, clock)
    tell(office, secondary_id, Condition.BEHIND)
    with office.work() as work:
        secondaries.remove(work, SYSTEM, secondary_id)
    do_jobs(office, ["mail"])
    assert [str(one["To"]) for one in letters(office)] == ["ada@muller.com.au"]


def test_two_who_notice_at_once_order_one_letter(office: Office, clock: Clock) -> None:
    secondary_id = prepare(office, clock, contact="")
    results = at_once(*[lambda: tell(office, secondary_id, Condition.BEHIND)] * 4)
    assert sorted(map(str, results)) == ["False", "False", "False", "True"]
    assert do_jobs(office, ["mail"]) == [("mail", "done")]


def test_what_was_never_heard_of_can_be_told_of_too(office: Office) -> None:
    secondary_id, _ = add_secondary(office, details=Details(contact=CONTACT))
    assert tell(office, secondary_id, Condition.BEHIND)
    do_jobs(office, ["mail"])
    (letter,) = letters(office)
    assert "Its version:   none" in str(letter.get_content())
    with office.reading() as work:
        assert work.session.get_one(SecondaryState, secondary_id).alerted_at is not None


@pytest.mark.parametrize("condition", [Condition.NEVER_SEEN, Condition.ERROR])
def test_other_conditions_are_no_matter_for_a_letter(
    office: Office, clock: Clock, condition: Condition
) -> None:
    secondary_id = prepare(office, clock)
    assert not tell(office, secondary_id, condition)
    assert do_jobs(office, ["mail"]) == []
