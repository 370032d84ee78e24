"""Offenders: recorded by adjudicators, and asked about by owners who learn little."""

from __future__ import annotations

import datetime
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from countersign.registrar.operations.offender_queries import (
    Answer,
    Question,
    queries_left,
    query_offenders,
)
from countersign.registrar.operations.offenders import (
    Details,
    GivenNumber,
    list_offenders,
    open_offender,
    record_offender,
    withdraw_offender,
)
from countersign.registrar.operations.office import (
    Actor,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.rules.roles import Role
from countersign.rules.screening import Level
from countersign.storage.database.accounts import AccessRecord
from countersign.storage.database.screening import Offender, OffenderQuery
from countersign.storage.database.servers import Server
from tests.registrar.operations import life

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

BORN = datetime.date(1975, 3, 9)
PASSPORT = GivenNumber("passport", "DE", "C01X00T47")
MAX = Details("Max Mustermann", BORN, "Heidestraße 17, 51147 Köln, Germany", (PASSPORT,))


def add(office: Office, details: Details = MAX, **how: Any) -> int:
    actor = how.pop("actor", None) or life.staff(office, Role.ADJUDICATOR)
    values = {
        "level": Level.WARNED,
        "offence_on": datetime.date(2025, 5, 17),
        "case_reference": "case 12",
        **how,
    }
    with office.work() as work:
        return record_offender(work, actor, details, **values).id


@pytest.fixture
def asker(office: Office) -> tuple[Actor, int]:
    """The owner of an active server, and the server."""
    server_id = life.make_active(office)
    with office.reading() as work:
        return Actor(Role.OWNER, work.session.get_one(Server, server_id).owner_id), server_id


def ask(
    office: Office, asker: tuple[Actor, int], question: Question, purpose: str = "A new customer."
) -> Answer:
    actor, server_id = asker
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        return query_offenders(work, actor, server, question, purpose)


def test_a_record_is_sealed_and_opens_for_staff_as_it_was_given(office: Office) -> None:
    offender_id = add(office)
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        row = work.session.get_one(Offender, offender_id)
        assert b"Mustermann" not in row.sealed
        opened = open_offender(work, adjudicator, offender_id)
    assert opened.details == MAX
    assert (opened.offender.name_key, opened.offender.birth_date) == ("max mustermann", BORN)
    with office.reading() as work:
        looks = work.session.scalars(select(AccessRecord.what).order_by(AccessRecord.id)).all()
    assert looks == ["offender recorded", "offender seen"]


def test_numbers_are_kept_as_keyed_hashes_only(office: Office) -> None:
    offender_id = add(office)
    with office.reading() as work:
        (number,) = work.session.get_one(Offender, offender_id).numbers
    assert number.digest == office.keyring.digest_number("passport", "DE", "C01X00T47")


@pytest.mark.parametrize("role", [Role.OWNER, Role.SCREENER, Role.AUDITOR, Role.TREASURER])
def test_only_adjudicators_record_offenders(office: Office, role: Role) -> None:
    with pytest.raises(ForbiddenError):
        add(office, actor=life.staff(office, role))


@pytest.mark.parametrize("role", [Role.OWNER, Role.TREASURER, Role.ADMINISTRATOR])
def test_the_list_is_not_for_everybody(office: Office, role: Role) -> None:
    offender_id = add(office)
    actor = life.staff(office, role)
    with office.work() as work:
        with pytest.raises(ForbiddenError):
            list_offenders(work, actor)
        with pytest.raises(ForbiddenError):
            open_offender(work, actor, offender_id)


@pytest.mark.parametrize(
    ("details", "how"),
    [
        (Details(""), {}),
        (Details("..."), {}),
        (Details("x" * 200), {}),
        (Details("Max", datetime.date(1890, 1, 1)), {}),
        (Details("Max", datetime.date(2030, 1, 1)), {}),
        (Details("Max", None, "x" * 600), {}),
        (Details("Max\u202e"), {}),
        (Details("Max", numbers=(PASSPORT,) * 30), {}),
        (Details("Max", numbers=(GivenNumber("passport", "DE", "1" * 50),)), {}),
        (MAX, {"offence_on": datetime.date(2030, 1, 1)}),
        (MAX, {"case_reference": " "}),
    ],
)
def test_details_that_cannot_be_right_are_refused(
    office: Office, details: Details, how: dict[str, Any]
) -> None:
    with pytest.raises(OperationError):
        add(office, details, **how)


def test_a_record_is_withdrawn_once_with_a_reason_and_stays(office: Office) -> None:
    offender_id = add(office)
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with pytest.raises(OperationError, match="why"), office.work() as work:
        withdraw_offender(work, adjudicator, offender_id, " ")
    with office.work() as work:
        withdraw_offender(work, adjudicator, offender_id, "It was a namesake.")
    with pytest.raises(OperationError, match="already"), office.work() as work:
        withdraw_offender(work, adjudicator, offender_id, "Again.")
    with office.reading() as work:
        assert work.session.get_one(Offender, offender_id).withdrawn_reason == "It was a namesake."


def test_the_list_goes_page_by_page_the_newest_first(office: Office) -> None:
    keys = [add(office, Details(f"Person {name}")) for name in "abcde"]
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.reading() as work:
        first = list_offenders(work, adjudicator, limit=3)
        second = list_offenders(work, adjudicator, cursor=first.next, limit=3)
    assert [one.id for one in (*first.rows, *second.rows)] == keys[::-1]
    assert second.next is None


def test_a_number_that_is_known_is_answered_with_level_and_month_only(
    office: Office, asker: tuple[Actor, int]
) -> None:
    add(office, level=Level.BARRED)
    answer = ask(office, asker, Question(numbers=(GivenNumber("passport", "de", "c01x 00t47"),)))
    assert (answer.level, answer.month) == (Level.BARRED, datetime.date(2025, 5, 1))


def test_name_and_birth_date_together_are_an_answer_too(
    office: Office, asker: tuple[Actor, int]
) -> None:
    add(office)
    assert ask(office, asker, Question("MUSTERMANN, Max", BORN)).level is Level.WARNED


@pytest.mark.parametrize(
    "question",
    [
        Question("Max Mustermann", BORN + datetime.timedelta(days=1)),
        Question("Maria Mustermann", BORN),
        Question("M", BORN),
        Question(numbers=(GivenNumber("passport", "AT", "C01X00T47"),)),
        Question(numbers=(GivenNumber("national-id", "DE", "C01X00T47"),)),
    ],
)
def test_nothing_is_said_about_somebody_who_is_only_like_it(
    office: Office, asker: tuple[Actor, int], question: Question
) -> None:
    add(office)
    assert ask(office, asker, question).level is None


@pytest.mark.parametrize(
    "question", [Question(), Question("Max Mustermann"), Question(birth_date=BORN), Question("%")]
)
def test_fishing_is_refused(office: Office, asker: tuple[Actor, int], question: Question) -> None:
    add(office)
    with pytest.raises(OperationError, match="both"):
        ask(office, asker, question)


def test_withdrawn_records_answer_nothing(office: Office, asker: tuple[Actor, int]) -> None:
    offender_id = add(office)
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        withdraw_offender(work, adjudicator, offender_id, "It was a namesake.")
    assert ask(office, asker, Question("Max Mustermann", BORN, (PASSPORT,))).level is None


def test_the_gravest_level_and_the_last_offence_are_told(
    office: Office, asker: tuple[Actor, int]
) -> None:
    add(office, level=Level.BARRED, offence_on=datetime.date(2024, 1, 20))
    add(office, offence_on=datetime.date(2025, 8, 2))
    answer = ask(office, asker, Question(numbers=(PASSPORT,)))
    assert (answer.level, answer.month) == (Level.BARRED, datetime.date(2025, 8, 1))


def test_every_question_is_on_record_without_what_was_asked(
    office: Office, asker: tuple[Actor, int]
) -> None:
    offender_id = add(office)
    question = Question("Max Mustermann", BORN)
    for asked in (question, question, Question("Nobody Known", BORN)):
        ask(office, asker, asked)
    with office.reading() as work:
        rows = work.session.scalars(select(OffenderQuery).order_by(OffenderQuery.id)).all()
    assert [row.answer for row in rows] == ["warned", "warned", "none"]
    assert [row.offender_id for row in rows] == [offender_id, offender_id, None]
    assert rows[0].question_digest == rows[1].question_digest != rows[2].question_digest
    assert {row.server_id for row in rows} == {asker[1]}
    assert "Mustermann" not in str([vars(row) for row in rows])


def test_questions_are_counted_whatever_the_answer(
    office: Office, asker: tuple[Actor, int], clock: Clock
) -> None:
    office = life.configured(office, security={"offender_queries": 3})
    question = Question("Nobody Known", BORN)
    assert [ask(office, asker, question).left for _ in range(3)] == [2, 1, 0]
    with pytest.raises(OperationError, match="24 hours"):
        ask(office, asker, question)
    clock.advance(hours=24, seconds=1)
    with office.reading() as work:
        assert asker[0].account_id is not None
        assert queries_left(work, asker[0].account_id) == 3
    ask(office, asker, question)


def test_questions_at_the_same_moment_are_all_counted(
    office: Office, asker: tuple[Actor, int]
) -> None:
    office = life.configured(office, security={"offender_queries": 2})
    together, outcomes = threading.Barrier(5), []

    def ask_now() -> None:
        together.wait(10)
        try:
            ask(office, asker, Question("Nobody Known", BORN))
        except OperationError:
            outcomes.append("refused")
        else:
            outcomes.append("answered")

    threads = [threading.Thread(target=ask_now) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["answered"] * 2 + ["refused"] * 3


def test_a_purpose_must_be_given(office: Office, asker: tuple[Actor, int]) -> None:
    for purpose in ("", "  ", "x" * 300):
        with pytest.raises(OperationError, match="why"):
            ask(office, asker, Question("Max Mustermann", BORN), purpose)


def test_only_active_servers_ask(office: Office) -> None:
    server_id = life.make_offered(office)
    with office.reading() as work:
        owner = Actor(Role.OWNER, work.session.get_one(Server, server_id).owner_id)
    with pytest.raises(OperationError, match="active"):
        ask(office, (owner, server_id), Question("Max Mustermann", BORN))


@pytest.mark.parametrize("role", [Role.AGENT, Role.SCREENER, Role.TREASURER])
def test_others_do_not_ask(office: Office, asker: tuple[Actor, int], role: Role) -> None:
    actor = life.staff(office, role)
    with pytest.raises(ForbiddenError):
        ask(office, (actor, asker[1]), Question("Max Mustermann", BORN))
